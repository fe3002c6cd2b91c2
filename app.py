"""stylelab's web page: ``python app.py``, then open http://127.0.0.1:7860."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported; the page works without a network

from stylelab import ui
from stylelab.memory import keep_freed_pages

demo = ui.build()

if __name__ == "__main__":
    keep_freed_pages()
    demo.launch(
        theme=ui.THEME,
        css=ui.CSS,
        max_file_size="20mb",
        footer_links=["api", "settings"],
        run_history=False,  # visitors' pictures are not kept in their browsers
        ssr_mode=False,
    )
