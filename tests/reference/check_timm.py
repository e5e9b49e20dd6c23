"""Loads encoders that the C program wrote into timm's VisionTransformer and compares features.

    SIM_KEEP=FOLDER build/tests/model/test_encoder
    python3 tests/reference/check_timm.py FOLDER

Needs torch, timm and safetensors.  FOLDER then holds encoder-N.safetensors (with N = 1: LayerScale) and features-N.safetensors
(images, and the C encoder's mean patch token).  Checked for each: timm loads the file with nothing unexpected and nothing missing but
its final norm and head, and its mean patch token before that norm is ours to 1e-5.  Exits 1 where that does not hold.
"""
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from timm.models.vision_transformer import VisionTransformer


def model_for(state, img_size, num_heads):
    """timm's model of the shapes that the file has; the number of heads leaves no trace in them."""
    dim, _, patch, _ = state["patch_embed.proj.weight"].shape
    depth = 1 + max(int(k.split(".")[1]) for k in state if k.startswith("blocks."))
    layer_scale = 1.0 if "blocks.0.ls1.gamma" in state else None
    return VisionTransformer(img_size=img_size, patch_size=patch, embed_dim=dim, depth=depth, num_heads=num_heads,
                             mlp_ratio=state["blocks.0.mlp.fc1.weight"].shape[0] / dim, init_values=layer_scale,
                             class_token=True, num_classes=10).eval()


@torch.no_grad()
def check(encoder, features):
    state = load_file(encoder)
    with safe_open(features, "pt") as f:
        images, ours = f.get_tensor("images"), f.get_tensor("mean_patch")
        num_heads = int(f.metadata()["num_heads"])
    model = model_for(state, images.shape[-1], num_heads)
    own = {k: v for k, v in model.state_dict().items() if k.startswith(("norm.", "head."))}
    model.load_state_dict({**state, **own}, strict=True)
    model.norm = torch.nn.Identity()
    theirs = model.forward_features(images)[:, 1:].mean(1)
    error = ((theirs - ours).abs().max() / theirs.abs().max()).item()
    print(f"{encoder}: {len(state)} tensors, worst difference {error:.1e} of the largest feature")
    return error <= 1e-5


def main():
    encoders = sorted(Path(sys.argv[1]).glob("encoder-*.safetensors")) if len(sys.argv) == 2 else []
    if not encoders:
        sys.exit(__doc__)
    good = [check(e, e.with_name(e.name.replace("encoder", "features"))) for e in encoders]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
