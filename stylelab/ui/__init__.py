"""The page. With ``app.py`` the only importer of gradio; it draws what each method declares."""

from __future__ import annotations

import os

import gradio as gr
import torch

from .. import examples, job, weights
from ..errors import StylelabError
from .kept import KEPT
from .tab import tab

THEME = gr.themes.Soft(primary_hue="indigo")
CSS = """footer {opacity: .7} .gradio-container {max-width: 1280px !important; margin: 0 auto}
.tabs {max-width: calc(100vw - 64px)} /* a phone: without it the row of tab titles sets the page's width */
.status .wrap:has(.error) {display: none} /* Gradio's bare "Error" over the line, after Stop too: the line tells */"""


def machine() -> str:
    """What this page runs on and with, and what is wrong with the weights if anything is."""
    lines = []
    if torch.cuda.is_available():
        lines.append(f"Running on {torch.cuda.get_device_name()}.")
    else:
        cores = torch.get_num_threads()
        lines.append(
            f"Running on {cores} CPU core{'s' * (cores > 1)} without a GPU, with the `compact` weights: "
            "presets start at `fast`, and `paper` takes minutes."
        )
    try:
        rows = weights.status()
    except StylelabError as error:
        return "\n\n".join([*lines, f"⚠️ {error}"])
    for row in rows:
        if row["family"] == "compact" and row["where"] not in ("shipped", "cached"):
            lines.append(
                f"⚠️ The weight file `{row['file']}` is {row['where']}: restore it with `git checkout weights`, "
                "or fetch it with `python -m stylelab weights fetch`."
            )
    if torch.cuda.is_available() and any(row["family"] == "full" and row["where"] == "missing" for row in rows):
        lines.append("The `full` weights are fetched on first use; if the Hub cannot be reached, `compact` runs instead.")
    return "\n\n".join(lines)


def build() -> gr.Blocks:
    """The whole app, not yet launched. Needs no network and no weights."""
    if cores := os.environ.get("CPU_CORES"):  # a Space is told its share; the host may have many more
        torch.set_num_threads(max(1, int(float(cores))))
    with gr.Blocks(title="stylelab", delete_cache=(600, KEPT)) as demo:
        gr.Markdown("# stylelab\nFive style-transfer papers to try on your own pictures.")
        gr.Markdown(machine(), elem_id="machine")
        with gr.Tabs():
            for method in job.METHODS.values():
                with gr.Tab(method.title, id=method.name):
                    tab(method)
            with gr.Tab("About", id="about"):
                gr.Markdown(about(), elem_id="about-text")
    return demo.queue(max_size=20, default_concurrency_limit=4)


def about() -> str:
    """Papers, privacy, the API, credits."""
    papers = "\n".join(
        f"- **{m.title}**: [{m.paper}]({m.url}). API `/{m.name}`, shell `python -m stylelab {m.name}`."
        for m in job.METHODS.values()
    )
    credits = "\n".join(f"- {label}: {credit}." for label, credit in examples.CREDITS.items())
    return f"""### Papers
Every tab is one paper; code and documentation are in this Space's files.

{papers}

### Your pictures
They are processed on this server only and deleted from it after an hour; nothing is kept in your browser.

### Example pictures
The styles are drawn by this project's own code. The photographs:

{credits}"""
