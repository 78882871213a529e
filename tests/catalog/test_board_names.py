"""Accelerators by what drivers, clouds and people write; another board is refused with what is known of it."""

from __future__ import annotations

import pytest

from paretoken.errors import UnknownName


@pytest.mark.parametrize(
    ("written", "id_"),
    [
        ("NVIDIA H200", "H200"),
        ("nvidia-h100", "H100"),
        ("NVIDIA-H100-80GB-HBM3", "H100"),
        ("h100_sxm", "H100"),
        ("NVIDIA H100 NVL", "H100-NVL"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("AMD Instinct MI300X", "MI300X"),
        ("AMD Instinct MI300X OAM", "MI300X"),
        ("mi355", "MI355X"),
        ("gb200-nvl72", "GB200"),
        ("GB300", "GB300"),
    ],
)
def test_an_accelerator_by_the_name_of_its_driver_or_cloud(catalog, written, id_):
    assert catalog.accelerators.id_of(written) == id_


@pytest.mark.parametrize("written", ["", "NVIDIA", "mi300", "NVIDIA H100 PCIe", "H200 NVL", "A100-SXM4-40GB"])
def test_another_accelerator_is_not_taken_for_it(catalog, written):
    """Cards with other memory or power stay unknown rather than pass for their namesake."""
    with pytest.raises(UnknownName):
        catalog.accelerators.id_of(written)


@pytest.mark.parametrize(
    ("written", "id_"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1b2c)", "H100"),
        ("NVIDIA Corporation GH100 [H100 SXM5 80GB] (rev a1)", "H100"),
        ("HGX H100", "H100"),
        ("NVIDIA H200 141GB HBM3e", "H200"),
        ("NVIDIA B200", "B200"),
        ("NVIDIA B300 SXM6 AC", "B300"),
        ("NVIDIA GB200", "GB200"),
        ("NVIDIA GB300 NVL72", "GB300"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000"),
        ("NVIDIA GB10", "DGX-Spark"),
        ("AMD Instinct MI300X VF", "MI300X"),
        ("MI300X-O", "MI300X"),
        ("Advanced Micro Devices, Inc. [AMD/ATI] Aqua Vanjaram [Instinct MI300X]", "MI300X"),
        ("AMD Instinct MI325X", "MI325X"),
        ("AMD INSTINCT MI355X OAM", "MI355X"),
        ("TPU v5 lite", "TPUv5e"),
        ("Intel Gaudi 3", "Gaudi3"),
        ("trn2", "Trainium2"),
    ],
)
def test_product_names_of_drivers_and_tools(catalog, written, id_):
    assert catalog.accelerators.id_or_new(written) == id_


@pytest.mark.parametrize(
    "written",
    [
        "NVIDIA H100 PCIe",
        "NVIDIA H100 80GB HBM2e",
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        "NVIDIA H200 NVL",
        "NVIDIA A100-SXM4-40GB",
        "NVIDIA A100 80GB PCIe",
        "NVIDIA H800",
        "NVIDIA H20-3e",
        "NVIDIA L40",
        "NVIDIA B100",
        "NVIDIA GH200 144G HBM3e",
        "NVIDIA GB200 NVL4",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 3090",
        "NVIDIA RTX PRO 6000 Blackwell Workstation Edition",
        "AMD Instinct MI300A",
        "AMD Instinct MI308X",
        "Tesla V100-SXM2-32GB",
        "NVIDIA A10G",
    ],
)
def test_products_outside_the_catalog_keep_their_names(catalog, written):
    assert catalog.accelerators.id_or_new(written) == written


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("gfx942", "is shared by MI300X, MI325X and MI300A"),
        ("gfx950", "is shared by MI350X and MI355X"),
        ("MI300", "is shared by"),
        ("GH100", "is shared by"),
        ("AMD Radeon Graphics", "a driver prints this"),
        ("NVIDIA Graphics Device", "a driver prints this"),
        ("8xH100", "the number of GPUs, 8, separately"),
        ("NVIDIA H100 80GB HBM3 x8", "the number of GPUs, 8, separately"),
        ("M300X", "did you mean MI300X"),
        ("H10O", "did you mean H100"),
        ("", "known: "),
    ],
)
def test_names_that_are_asked_about(catalog, written, why):
    with pytest.raises(UnknownName, match=why):
        catalog.accelerators.id_or_new(written)


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("NVIDIA H100 PCIe", "a board with other memory, speed or power than H100 SXM; use H100 or H100-NVL"),
        ("NVIDIA H100 80GB HBM2e", "use H100 or H100-NVL"),
        ("H200 NVL", "other memory, speed or power than H200 SXM; use H200"),
        ("NVIDIA H20-3e", "use H20"),
        ("NVIDIA A100-SXM4-40GB", "than A100 SXM 80GB; use A100"),
        ("nvidia-tesla-a100", "than A100 SXM 80GB; use A100"),
        ("GB200 NVL4", "than GB200 NVL72; use GB200"),
        ("AMD Instinct MI300X HF", "than MI300X; use MI300X"),
        ("AMD Instinct MI308X", "did you mean MI350X or MI300X"),
        ("NVIDIA H800", "did you mean H200 or H100"),
        ("AMD Instinct MI250X / MI250", "shared by MI250X and MI250"),
        ("MI350", "shared by MI350X and MI355X"),
        ("MI250", "did you mean MI250X"),
        ("RTX 4090 D", "than GeForce RTX 4090; use RTX-4090"),
        ("H100 96GB", "use H100 or H100-NVL"),
        ("GH200 144G", "than GH200 Grace Hopper; use GH200"),
        ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", "use RTX-PRO-6000"),
    ],
)
def test_another_board_is_refused_with_the_nearest(catalog, written, near):
    with pytest.raises(UnknownName) as error:
        catalog.accelerators.id_of(written)
    assert near in str(error.value)


@pytest.mark.parametrize(
    ("written", "id_"),
    [
        ("mi325", "MI325X"),
        ("mi455", "MI455X"),
        ("mi 355 x", "MI355X"),
        ("h100sxm", "H100"),
        ("H100-80GB-HBM3", "H100"),
        ("NVIDIA-B200", "B200"),
        ("nvidia-h100-mega-80gb", "H100"),
        ("nvidia-h200-141gb", "H200"),
        ("B200 192GB", "B200"),
        ("DGX B200", "B200"),
        ("GB300 NVL72", "GB300"),
        ("H20", "H20"),
        ("H100 NVL", "H100-NVL"),
        ("h100_80g", "H100"),
        ("MI325X_256GB", "MI325X"),
    ],
)
def test_names_of_clouds_and_of_people(catalog, written, id_):
    assert catalog.accelerators.id_of(written) == id_


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("Standard_ND96isr_H100_v5", "did you mean H100 or H100-NVL?"),
        ("Standard_ND96isr_MI300X_v5", "did you mean MI300X?"),
        ("gpu_8x_h100_sxm5", "did you mean H100 or H100-NVL?"),
        ("gpu_8x_a100_80gb_sxm4", "did you mean A100?"),
        ("gpu_1x_gh200", "did you mean GH200?"),
        ("BM.GPU.MI300X.8", "did you mean MI300X?"),
        ("trn2.48xlarge", "did you mean Trainium2?"),
        ("gcp-tpu-v6e", "did you mean TPUv6e?"),
        ("RTX A6000", "did you mean RTX-PRO-6000 or"),
        ("NVIDIA RTX 6000 Ada Generation", "did you mean RTX-PRO-6000?"),
    ],
)
def test_a_machine_that_holds_an_accelerator_is_not_called_another_board(catalog, written, near):
    with pytest.raises(UnknownName) as error:
        catalog.accelerators.id_of(written)
    assert near in str(error.value)
    assert "board" not in str(error.value)
