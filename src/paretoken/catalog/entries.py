"""What a catalog entry of each kind holds; unknown keys are refused with the nearest known one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from paretoken.catalog.names import Precision

Vendor = str
BYTES_PER_GIB_SOLD = 1.068e9
"""Bytes that a driver reports for each GiB sold: 81,559 MiB for 80 (H100), 189,471 MiB for 186 (GB200)."""
HexColour = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]


class Entry(BaseModel):
    """The keys of every kind. `source` and `date` say where and when the figures were read."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
    name: str = Field(description="name as tables show it", examples=["Our prices, November 2026"])
    aliases: tuple[str, ...] = Field((), description="further names that are understood", examples=[["ours"]])
    source: str = Field(description="where the figures are from", examples=["our contracts"])
    date: str = Field(description="day or month of the figures", examples=["2026-11-01"])
    notes: str = Field("", description="what a reader must know", examples=["without egress"])


class Accelerator(Entry):
    """One accelerator: peak figures are dense and per GPU (per package, as sold and counted)."""

    vendor: Vendor
    architecture: str = Field("", description="maker's name of the core generation")
    hbm_gib: PositiveFloat = Field(description="memory as sold: makers write GB and mean 2^30 bytes")
    hbm_physical_gib: PositiveFloat | None = Field(None, description="memory on the package, of which some is not sold")
    reported_gib: PositiveFloat | None = Field(
        None, exclude=True, description="memory that CUDA or ROCm reports, GiB, read in logs of engines"
    )
    listed_gib: tuple[PositiveFloat, ...] = Field(
        (), exclude=True, description="other sizes that price lists give: another version, or an announcement"
    )
    hbm_type: str = ""
    hbm_tb_per_s: PositiveFloat = Field(description="peak memory bandwidth, TB/s")
    bf16_tflops: PositiveFloat | None = None
    fp8_tflops: PositiveFloat | None = None
    fp4_tflops: PositiveFloat | None = None
    int8_tops: PositiveFloat | None = Field(None, description="where it differs from the rate of FP8")
    scaleup_gb_per_s: PositiveFloat | None = Field(None, description="per GPU and direction, GB/s")
    scaleup_tech: str = ""
    scaleup_topology: str = ""
    scaleup_mesh: bool = Field(
        False, description="each pair of GPUs has links of its own; else a switch gives all to any"
    )
    max_scaleup_gpus: PositiveInt = 8
    scaleout_gb_per_s: PositiveFloat | None = Field(
        None,
        description="network beyond the scale-up domain in a reference system, per GPU and direction, GB/s",
    )
    scaleout_tech: str = ""
    host_gb_per_s: PositiveFloat | None = Field(
        None, description="link to the memory of the host, peak per GPU and direction, GB/s"
    )
    host_tech: str = ""
    tdp_w: PositiveFloat | None = None
    node_kw: PositiveFloat | None = Field(None, description="IT power of `node_kw_gpus` GPUs with their servers, kW")
    node_kw_basis: Literal["all-in", "server maximum", ""] = Field(
        "", description="all-in: as planned, with its share of network and storage; server maximum: the nameplate alone"
    )
    node_kw_gpus: PositiveInt | None = Field(None, description="GPUs that `node_kw` is of: a server's, or a rack's")
    gpus_per_node: PositiveInt = 8
    announced: str = ""
    first_shipping: str = ""
    forms: tuple[str, ...] = Field((), exclude=True, description="forms it is sold in: SXM, PCIe, NVL, OAM, NVL72")
    colours: tuple[HexColour, HexColour] | None = Field(
        None, exclude=True, description="in plots, on a light and on a dark ground; one of its vendor's by default"
    )

    @property
    def memory_bytes(self) -> float:
        """Bytes of memory of one GPU, as its driver reports them."""
        return self.reported_gib * 2**30 if self.reported_gib else self.hbm_gib * BYTES_PER_GIB_SOLD

    @property
    def domain_gpus(self) -> int:
        """GPUs that reach each other without the network: a scale-up domain, or a server where it has none."""
        return max(self.max_scaleup_gpus, self.gpus_per_node)

    @model_validator(mode="after")
    def _links_have_their_names(self) -> Accelerator:
        for link in ("scaleout", "host"):
            if (getattr(self, f"{link}_gb_per_s") is None) != (getattr(self, f"{link}_tech") == ""):
                raise ValueError(f"{link}_gb_per_s and {link}_tech belong together; give both or none")
        return self

    @model_validator(mode="after")
    def _power_has_its_basis(self) -> Accelerator:
        if (self.node_kw is None) != (self.node_kw_basis == "") or (self.node_kw is None) != (
            self.node_kw_gpus is None
        ):
            raise ValueError("node_kw, node_kw_basis and node_kw_gpus belong together; give all three or none")
        return self


class Mla(BaseModel):
    """Multi-head latent attention ranks and head sizes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    q_lora_rank: int | None = None
    kv_lora_rank: PositiveInt
    qk_nope_head_dim: PositiveInt
    qk_rope_head_dim: PositiveInt
    v_head_dim: PositiveInt


class Windowed(BaseModel):
    """Attention of the layers that look back only a window, where it is not that of the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    heads: PositiveInt
    kv_heads: PositiveInt
    head_dim: PositiveInt


class Sparse(BaseModel):
    """Attention to the `topk` past tokens that score highest with an indexer: `heads` queries, one key for all of them.

    `layers` is the number of layers that do so (by default all with a KV cache); `indexers` of them have an indexer of
    their own, the others share one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    heads: PositiveInt
    head_dim: PositiveInt
    topk: PositiveInt
    layers: PositiveInt | None = None
    indexers: PositiveInt | None = None


class Recurrent(BaseModel):
    """State of one linear-attention or Mamba layer: a matrix for each head, and the last inputs of a convolution.

    `key_dim` is the size of a key, of the state space in Mamba; `conv_channels` have `conv_width` - 1 inputs each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    heads: PositiveInt
    key_dim: PositiveInt
    value_dim: PositiveInt
    conv_channels: NonNegativeInt = 0
    conv_width: PositiveInt = 4
    precision: Literal["fp32", "bf16"] = Field("bf16", description="of the matrices; the convolution's inputs are bf16")


class Checkpoint(BaseModel):
    """Bytes of one weight with its scales, by part of the model, as the published files have them.

    `dense` is the mean over dense and shared FFNs, `head` over the output head and the embedding.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    attention: PositiveFloat
    dense: PositiveFloat
    experts: PositiveFloat
    head: PositiveFloat


class HubRepository(BaseModel):
    """A repository of the Hugging Face hub with a model's weights in one precision.

    `vendor` is the maker of the accelerators that its quantisation is for, empty for any.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    precision: Precision
    name: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$", description="org/name")
    vendor: Vendor = ""
    gated: bool = Field(False, description="needs an account that accepted its licence")
    block: PositiveInt | None = Field(
        None, description="rows and columns of a block of weights with one scale; a block must not be split over GPUs"
    )
    source: str


class Moe(BaseModel):
    """Mixture of experts; `dense_layers` are the layers that have a dense FFN instead."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    experts: PositiveInt
    active_experts: PositiveInt
    shared_experts: int = 0
    shared_width: PositiveInt | None = Field(
        None, description="width of the shared experts together, where it is no multiple of an expert's"
    )
    expert_intermediate_size: PositiveInt
    dense_layers: int = 0
    latent_size: PositiveInt | None = Field(
        None, description="width of routed experts between a projection down and one up"
    )
    expert_matrices: PositiveInt = Field(3, description="2 where experts have no gate")


class Model(Entry):
    """One model architecture; names of the same architecture are aliases of one entry."""

    maker: str
    kind: Literal["dense", "moe"]
    attention: Literal["mha", "gqa", "mla", "hybrid"]
    layers: PositiveInt
    hidden_size: PositiveInt
    heads: PositiveInt
    kv_heads: PositiveInt | None = None
    head_dim: PositiveInt | None = None
    intermediate_size: PositiveInt | None = None
    vocab_size: PositiveInt
    max_context: PositiveInt | None = None
    params_total_b: PositiveFloat
    params_active_b: PositiveFloat | None = None
    tied_embeddings: bool = False
    sliding_window: PositiveInt | None = None
    sliding_layers: int | None = None
    chunked: bool = Field(
        False,
        description="layers with a window attend within fixed chunks of `sliding_window` tokens",
    )
    windowed: Windowed | None = None
    linear_attention_layers: int | None = None
    recurrent: Recurrent | None = Field(None, description="state of each of the linear-attention layers")
    sparse: Sparse | None = None
    mla: Mla | None = None
    moe: Moe | None = None
    ffn_layers: NonNegativeInt | None = Field(
        None, description="layers with a dense FFN, where it is not every layer without experts"
    )
    ffn_matrices: PositiveInt = Field(3, description="2 where the dense FFN has no gate")
    native_precision: Precision
    repositories: tuple[HubRepository, ...] = Field((), description="weights on the hub, best first")
    dense_precision: dict[str, Precision] = Field(
        default_factory=dict, description="precision of what is not an expert, by the precision of the experts"
    )
    checkpoint: Checkpoint | None = Field(
        None, description="bytes of a weight in the native precision, where the precisions above do not give them"
    )
    checkpoint_kv_dtype: Literal["bf16", "fp8", "fp4"] | None = Field(
        None, description="type that the checkpoint asks the KV cache to have"
    )
    multi_token_prediction: bool = Field(False, description="published with a draft layer of its own")
    attention_params_per_layer_m: PositiveFloat | None = Field(
        None, description="millions, where the shapes above do not give them"
    )
    kv_values_per_token: PositiveFloat | None = Field(
        None, description="cached values per token over all layers, where the shapes above do not give them"
    )
    unknown: tuple[str, ...] = Field((), description="keys of a config.json that look like shapes and were not read")
    assumed: tuple[str, ...] = Field((), description="assumptions where a config.json does not state a figure")


class Engine(Entry):
    """One serving engine; `core` is the engine that schedules when the name is that of an orchestrator or a plug-in."""

    maker: str = ""
    core: str
    disaggregated: bool = False
    vendors: tuple[Vendor, ...] = ()
    url: str = ""
    licence: str = ""


class Workload(Entry):
    """One pair of nominal input and output lengths, tokens."""

    isl: PositiveInt
    osl: PositiveInt
    task: str


class Tier(BaseModel):
    """One way to get a GPU, with its price per accelerator in USD per GPU-hour."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(description="name of the tier as tables show it", examples=["Our three-year contract"])
    usd_per_gpu_h: dict[str, PositiveFloat] = Field(
        description="price by accelerator, USD per GPU-hour", examples=[{"H200": 2.10, "MI355X": 2.60}]
    )
    placeholders: tuple[str, ...] = Field(
        (), description="accelerators whose price is an estimate", examples=[["MI355X"]]
    )


class TcoSet(Entry):
    """A dated set of prices and of all-in power; a set is never edited, a new one is added."""

    tiers: dict[str, Tier] = Field(examples=["contract"])
    kw_per_gpu: dict[str, PositiveFloat] = Field(
        default_factory=dict,
        description="all-in power of a GPU by accelerator, kW",
        examples=[{"H200": 1.37, "MI355X": 2.09}],
    )
    kw_basis: str = Field("", description="what the power includes", examples=["all-in IT power"])
    kw_holds_pue: bool = Field(
        False, description="whether the power is at the utility's meter, the site's losses in it"
    )


KINDS: dict[str, type[Entry]] = {
    "accelerators": Accelerator,
    "models": Model,
    "engines": Engine,
    "workloads": Workload,
    "tco": TcoSet,
}
