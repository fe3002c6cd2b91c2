"""The extractor: names, shapes, what is computed, both key layouts of a file, and who gets gradients."""

import copy

import pytest
import torch
from torch import nn

from stylelab.features import CONVS_PER_BLOCK, IMAGENET_MEAN, IMAGENET_STD, SMALLEST_SIDE, VGG, layer_names, torchvision_indices

# As printed by torchvision: positions of the convolutions in `features`.
VGG16 = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
VGG19 = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)


def test_names_by_hand():
    assert layer_names("vgg16", 4) == (
        *("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3"),
        *("conv4_1", "conv4_2", "conv4_3"),
    )
    assert set(layer_names("vgg19")) - set(layer_names("vgg16")) == {"conv3_4", "conv4_4", "conv5_4"}
    assert layer_names("vgg19")[-1] == "conv5_4" and len(layer_names("vgg19")) == 16


@pytest.mark.parametrize(("arch", "positions"), [("vgg16", VGG16), ("vgg19", VGG19)])
def test_torchvisions_positions(arch, positions):
    assert torchvision_indices(arch) == dict(zip(layer_names(arch), positions, strict=True))


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (31, 16), (50, 75)], ids=str)
@pytest.mark.parametrize("arch", CONVS_PER_BLOCK)
def test_shapes(arch, size, photo):
    network = VGG(arch, 3)
    found = network(photo(*size, 0), network.names)
    assert tuple(found) == network.names
    for name, activation in found.items():
        block = int(name[4])
        channels = (3, 6, 12, 24, 24)[block - 1]
        assert network.channels(name) == channels
        assert activation.shape == (1, channels, size[0] >> (block - 1), size[1] >> (block - 1))


def test_activations_are_in_the_networks_order_and_not_negative(untrained, photo):
    found = untrained()(photo(32, 32, 0), ["conv4_2", "conv1_1", "conv3_4"])
    assert list(found) == ["conv1_1", "conv3_4", "conv4_2"]
    assert all(activation.min() == 0 and activation.max() > 0 for activation in found.values())


@pytest.mark.parametrize("size", [(15, 40), (40, 15), (1, 1)], ids=str)
def test_a_picture_too_small_to_pool_is_refused(size):
    sentence = f"^picture of {size[1]}x{size[0]} pixels: both sides must be at least {SMALLEST_SIDE}$"
    with pytest.raises(ValueError, match=sentence):
        VGG("vgg19", 1)(torch.zeros(1, 3, *size), ["conv1_1"])


@pytest.mark.parametrize("name", ["conv3_4", "relu1_1", "conv6_1", ""])
def test_an_unknown_layer_is_refused(name):
    with pytest.raises(ValueError, match=rf"vgg16 has no layer {name}; it has conv1_1, .*conv5_3"):
        VGG("vgg16", 1)(torch.zeros(1, 3, 16, 16), ["conv1_1", name])


@pytest.mark.parametrize("deepest", ["conv1_1", "conv2_2", "conv3_4"])
def test_nothing_beyond_the_deepest_layer_is_computed(deepest, untrained, monkeypatch):
    network = untrained()
    ran = []
    for name in network.names:
        getattr(network, name).register_forward_hook(lambda *_, name=name: ran.append(name))
    network(torch.zeros(1, 3, 16, 16), [deepest, "conv1_1"])
    assert ran == list(network.names[: network.names.index(deepest) + 1])


@pytest.mark.parametrize("size", [(32, 48), (37, 21)], ids=str)
@pytest.mark.parametrize("arch", CONVS_PER_BLOCK)
def test_equal_to_layers_put_together_by_hand(arch, size, photo):
    torch.manual_seed(0)
    network, image = VGG(arch, 4), photo(*size, 1)
    x = (image - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_STD).view(3, 1, 1)
    expected = {}
    for block, count in enumerate(CONVS_PER_BLOCK[arch], 1):
        x = nn.MaxPool2d(2)(x) if block > 1 else x
        for i in range(1, count + 1):
            x = nn.Sequential(getattr(network, f"conv{block}_{i}"), nn.ReLU())(x)
            expected[f"conv{block}_{i}"] = x
    for name, activation in network(image, expected).items():
        assert torch.allclose(activation, expected[name], atol=1e-6), name


def test_asking_for_one_layer_or_for_all_gives_the_same(untrained, photo):
    """ReLU works in place on layers nobody asked for; the picture stays as it was too."""
    network, image = untrained(), photo(33, 20, 2)
    before, every = image.clone(), network(image, network.names)
    for name in network.names:
        assert torch.equal(network(image, [name])[name], every[name])
    assert torch.equal(image, before)


def file(arch: str, layout: str) -> dict[str, torch.Tensor]:
    """A random network as a file holds it, in half precision and with a classifier beside it."""
    torch.manual_seed(1)
    network = VGG(arch, 2)
    keys = torchvision_indices(arch)
    prefix = (lambda name: f"features.{keys[name]}") if layout == "torchvision" else (lambda name: name)
    tensors = {"head.weight": torch.zeros(10, 16)}
    for name in keys:
        for kind in ("weight", "bias"):
            tensors[f"{prefix(name)}.{kind}"] = getattr(getattr(network, name), kind).half()
    return tensors


@pytest.mark.parametrize("layout", ["torchvision", "ours"])
@pytest.mark.parametrize("arch", CONVS_PER_BLOCK)
def test_from_tensors(arch, layout, photo):
    torch.manual_seed(1)
    source, network = VGG(arch, 2), VGG.from_tensors(file(arch, layout), arch)
    assert (network.arch, network.width, network.training) == (arch, 2, False)
    for name, value in source.state_dict().items():
        assert torch.equal(network.state_dict()[name], value.half().float()), name


@pytest.mark.parametrize("layout", ["torchvision", "ours"])
def test_from_tensors_refuses_what_is_missing_or_has_the_wrong_shape(layout):
    good = file("vgg19", layout)
    last, first = ("features.34.bias", "features.0.weight") if layout == "torchvision" else ("conv5_4.bias", "conv1_1.weight")
    with pytest.raises(ValueError, match=rf"^not a vgg19 file: {last} is missing \(1 tensors in all\)$"):
        VGG.from_tensors({key: value for key, value in good.items() if key != last}, "vgg19")
    with pytest.raises(ValueError, match="^not a vgg19 file: size mismatch"):
        VGG.from_tensors(good | {last: torch.zeros(5)}, "vgg19")
    with pytest.raises(ValueError, match="^not a vgg19 file: size mismatch"):
        VGG.from_tensors(good | {first: torch.zeros(3, 3, 3, 3)}, "vgg19")
    with pytest.raises(ValueError, match=r"^not a vgg19 file: .* is missing \(32 tensors in all\)$"):
        VGG.from_tensors({}, "vgg19")


def test_a_vgg16_file_is_not_a_vgg19():
    with pytest.raises(ValueError, match="is missing"):
        VGG.from_tensors(file("vgg16", "ours"), "vgg19")


def test_a_picture_gets_gradients_and_parameters_do_not(untrained, photo):
    network, image = untrained(), photo(16, 16, 0).requires_grad_()
    activation = network(image, ["conv4_1"])["conv4_1"]
    activation.sum().backward()
    assert image.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in network.parameters())
    assert not network(image.detach(), ["conv4_1"])["conv4_1"].requires_grad


def test_a_trainable_copy_leaves_the_original_alone(untrained, photo):
    network = untrained()
    before = copy.deepcopy(network.state_dict())
    twin = network.trainable()
    optimiser = torch.optim.SGD(twin.parameters(), lr=0.1)
    twin(photo(16, 16, 0), ["conv2_1"])["conv2_1"].sum().backward()
    optimiser.step()
    assert not torch.equal(twin.conv1_1.weight, before["conv1_1.weight"])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(p.requires_grad for p in network.parameters())
