"""Cropping and mirroring of minibatches, against one image at a time."""

import torch

from biorobust.core.augment import crop_and_flip


def test_every_image_is_one_of_its_shifted_and_mirrored_selves():
    torch.manual_seed(0)
    images = torch.randint(1, 256, (300, 3, 6, 5), dtype=torch.uint8)
    changed = crop_and_flip(images, padding=2)
    assert changed.shape == images.shape
    assert changed.dtype == torch.uint8
    seen = set()
    for image, result in zip(images, changed, strict=True):
        padded = torch.nn.functional.pad(image, (2, 2, 2, 2))
        crops = {(top, left): padded[:, top : top + 6, left : left + 5] for top in range(5) for left in range(5)}
        ways = {(*at, flipped): crop.flip(2) if flipped else crop for at, crop in crops.items() for flipped in (0, 1)}
        seen.add(next(way for way, one in ways.items() if torch.equal(result, one)))
    assert len(seen) == 50  # 300 draws of 50 equally likely results


def test_what_moves_in_may_be_the_image_reflected_at_its_edge():
    images = 1 - torch.rand(60, 3, 6, 5)
    torch.manual_seed(2)
    changed = crop_and_flip(images, padding=2, edges="reflect")
    torch.manual_seed(2)
    shifted = crop_and_flip(torch.nn.functional.pad(images, (2, 2, 2, 2), mode="reflect"), padding=2)
    assert torch.equal(changed, shifted[..., 2:8, 2:7])
    assert (changed > 0).all()


def test_shifted_images_need_not_be_mirrored_nor_mirrored_ones_shifted():
    torch.manual_seed(4)
    images = torch.rand(9, 3, 8, 8)
    assert crop_and_flip(images, padding=0, flip=False) is images
    ramp = torch.arange(1.0, 9).expand(50, 1, 2, 8)
    changed = crop_and_flip(ramp, padding=2, flip=False)
    inside = changed[..., 2:6]  # never padding
    assert (inside.diff(dim=-1)[inside[..., 1:] > 0] == 1).all()
