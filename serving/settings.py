"""One cell's settings: a TOML file, and environment variables `EQUERRY_…` over it. Nothing else reads either.

Every field's docstring says what it is, its unit, and how to switch it off; `docs/settings.md` and
`serving/cell.example.toml` are made from them. `EQUERRY_JOBS__LEASE=45` sets `lease` in `[jobs]`; lists are JSON.
Paths are relative to the settings file. A secret is never a setting: a setting names the file that holds it, which
nobody but the cell's own user may be able to read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from policies.tenants.cell import CELL
from serving.media.guard import Reach
from serving.media.patience import Patience

if TYPE_CHECKING:  # reading settings must not load decoders
    from model.media import FilmLimits, ImageLimits

__all__ = ["CellSettings", "Secret", "Section"]

MIB: Final = 1 << 20  # bytes
_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9.-]{1,253}|\[[0-9a-f:]{2,45}\])(?::[0-9]{1,5})?")
_ADDRESS: Final = re.compile(_ORIGIN.pattern + r"(?:/[A-Za-z0-9._~-]{1,64}){0,8}")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_SECRET_OPTION: Final = re.compile(r"secret|password|token|sas_|key(?!_id|_enabled)", re.IGNORECASE)
_BEATS: Final = 3  # missed beats that free a job

Secret = Annotated[Path, "secret"]  # the path of a file that holds a secret; `serving.settings_file` checks it
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=1, le=65_535)]
Host = Annotated[str, StringConstraints(pattern=r"^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$", max_length=253)]
Tenant = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(ip_network)]


class Section(BaseModel):
    """One concern's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


class Cell(Section):
    """Which cell this is, and where it is reached."""

    name: Annotated[str, StringConstraints(pattern=rf"^{CELL}$")] = Field(examples=["eu-par"])
    """The cell's name: its jurisdiction in two letters, a hyphen and a place. It is in every key and every link."""
    jurisdiction: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = Field(examples=["EU"])
    """Where the cell lies, as the rules spell it. It must be the first two letters of the name."""
    provider: str = Field(examples=["own"])
    """Who owns the machines, by the name in the catalogue."""
    region: str = Field(examples=["eu-par-1"])
    """The provider's name of the region, as in the catalogue."""
    origin: str = Field(examples=["http://127.0.0.1:8000"])
    """Scheme, host and port under which clients reach the cell. Every address that it hands out begins here. Plain
    http is taken for loopback only."""

    @field_validator("origin")
    @classmethod
    def _is_an_origin(cls, text: str) -> str:
        if not _ORIGIN.fullmatch(text):
            raise ValueError("write scheme, host and port in small letters, with nothing after them: https://HOST")
        if text.startswith("http://") and urlsplit(text).hostname not in _LOOPBACK:
            raise ValueError("use https; plain http is for loopback only")
        return text

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.name[:2].upper() != self.jurisdiction:
            raise ValueError(f"the name {self.name} is of {self.name[:2].upper()}, and jurisdiction says otherwise")
        return self


class Listen(Section):
    """Where the cell's own processes listen."""

    host: str = "127.0.0.1"
    """Address that clients' requests come to. `0.0.0.0` takes them from everywhere; put TLS before it then."""
    port: Port = 8000
    """Port that clients' requests come to."""
    operations_host: str = "127.0.0.1"
    """Address of readiness, liveness and metrics. Keep it from clients."""
    operations_port: Port = 8001
    """Port of readiness, liveness and metrics. It must not be the clients' port."""

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.port == self.operations_port:
            raise ValueError("port and operations_port must differ, since clients must not reach the second")
        return self


class Folders(Section):
    """Where the cell keeps what it writes on its own disk."""

    state: Path = Path("state")
    """What must survive a restart: the embedded database, drawn secrets, who runs. Back it up."""
    scratch: Path = Path("scratch")
    """What need not survive. It is emptied at start."""


class Database(Section):
    """Where jobs are kept."""

    url: str = "sqlite"
    """`sqlite` keeps them in `folders.state`. `postgresql://USER@HOST/NAME` keeps them in Postgres 15 or later; a
    password has no place in it."""
    password: Secret | None = None
    """File with the database's password. Leave it out when the database trusts this machine or a certificate."""
    connections: Annotated[int, Field(ge=3, le=1_000)] = 17
    """Connections to Postgres that one process opens at most: one listens, the others are shared by writers and
    readers."""

    @field_validator("url")
    @classmethod
    def _is_known(cls, url: str) -> str:
        if url != "sqlite" and not url.startswith("postgresql://"):
            raise ValueError("write sqlite, or postgresql://USER@HOST/NAME")
        if re.search(r":[^/@]*@", url.removeprefix("postgresql://")) or "password=" in url:
            raise ValueError("take the password out of the url, and name a file that holds it as password")
        return url


class Objects(Section):
    """Where films and uploads are kept."""

    url: str = "folder"
    """`folder` keeps them below `folders.state`. `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or
    `az://ACCOUNT/CONTAINER/PREFIX` keep them in such a store, which must lie in this cell's region."""
    options: dict[str, str] = Field(default={}, examples=[{}])
    """Options of the store by obstore's names: `aws_endpoint`, `aws_region`, `aws_server_side_encryption`,
    `aws_sse_kms_key_id`, `client_allow_http` … None is a secret. What they leave out, such as a role of the machine,
    the store's client finds as its cloud provides it."""
    secrets: dict[str, Secret] = Field(default={}, examples=[{}])
    """Options whose value is a secret, each with the file that holds it: `aws_secret_access_key`,
    `azure_storage_account_key` …"""
    sealed: bool = False
    """Whether films, sources and checkpoints are sealed, each tenant's under a key of its own, which erasure destroys.
    What was written before stays as it is, and what was sealed is still read after this is switched off again."""
    sealing_keys: tuple[Secret, ...] = ()
    """Files with the cell's own keys, which wrap the tenants'. The first wraps, all unwrap. Keep them from where the
    objects' and the database's backups lie: without one, nothing that it wrapped can be read by anybody. With none,
    the cell draws one at its first start and keeps it in `folders.state`."""

    @field_validator("url")
    @classmethod
    def _is_known(cls, url: str) -> str:
        if url != "folder" and not re.match(r"(s3|gs|az)://[^/@]+", url):
            raise ValueError("write folder, s3://BUCKET, gs://BUCKET or az://ACCOUNT/CONTAINER")
        return url

    @field_validator("options")
    @classmethod
    def _hold_no_secret(cls, options: dict[str, str]) -> dict[str, str]:
        found = sorted(name for name in options if _SECRET_OPTION.search(name))
        if found:
            raise ValueError(f"{', '.join(found)} is a secret; name a file that holds it under objects.secrets")
        return options


class Engine(Section):
    """What makes the films."""

    kind: Literal["torch", "vllm"] = "torch"
    """`torch` is the reference, in process; `vllm` has paged attention and continuous batches."""
    model: str = "pony"
    """`pony`, `horse`, or the folder of a checkpoint."""
    tensor_parallel: Literal[1, 2, 4, 8] = 1
    """Devices that share one model. With `torch` it is 1."""
    kv_memory: Count = 512
    """MiB of one replica's memory for keys and values. Measure before you raise it: the engine takes all of it."""
    batch: Count = 8
    """Films that one replica makes at the same time."""
    replicas: Count = 1
    """Replicas that always run."""
    most_replicas: Count = 1
    """Replicas up to which the queue may raise them. The same number as `replicas` switches scaling off."""
    compile: bool = False
    """Whether vLLM compiles the model: 20 to 40 s more at start, up to 46 % faster at small batches."""
    own_process: bool = True
    """Whether vLLM's core has a process of its own, so that whatever else the replica does never holds a step up. It
    takes some 15 s more at start and 1 GB of memory. With `torch` it does not count, and several ranks have processes
    of their own anyway."""
    threads: str = "nobind"
    """Cores that vLLM binds the threads of each rank to, on a CPU: `nobind` leaves that to the machine, `auto` to vLLM,
    `0-3|4-7` names them. Never bind two engines to one core: both become ten times slower."""
    cpus: Positive = 1
    """Cores that Ray keeps for each of `tensor_parallel` ranks."""
    gpus: bool = False
    """Whether each rank has a GPU of its own, which Ray then keeps for it."""
    scale_seconds: Positive = 60
    """Seconds of work in the queue for each replica, beyond which Ray starts another, up to `most_replicas`."""
    idle_seconds: Positive = 300
    """Seconds for which fewer replicas would do, until Ray ends one, down to `replicas`. A start costs half a minute,
    so do not be hasty."""

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.kind == "torch" and self.tensor_parallel != 1:
            raise ValueError("the torch engine has tensor_parallel = 1; use kind = 'vllm' for more")
        if self.most_replicas < self.replicas:
            raise ValueError("most_replicas is less than replicas")
        return self


class Ray(Section):
    """How `equerry cell up --runtime ray` uses Ray Serve. With the local runtime nothing here counts."""

    address: str = ""
    """A Ray that runs already, as `HOST:PORT`; its token is looked for as Ray does. Empty starts one for this cell
    alone, which listens on loopback and ends with it."""
    gateways: Count = 1
    """Gateways that run. Those of one machine share `listen.port`."""
    object_store: Annotated[int, Field(ge=75)] = 80
    """MiB of memory that a Ray of the cell's own takes for its object store, in which films never lie."""


class Jobs(Section):
    """How jobs are held, kept and given up."""

    lease: Positive = 30
    """Seconds after which a silent studio loses its job to another."""
    heartbeat: Positive = 10
    """Seconds between a studio's signs of life; three fit into a lease."""
    attempts: Count = 5
    """Times a job is tried before it fails."""
    retention: Positive = 24
    """Hours that a film can be fetched; then it is deleted, and the record stays. At least 24 for the SDKs."""
    keep_keys: Positive = 24
    """Hours that an idempotency key is remembered."""
    drain: Positive = 60
    """Seconds that a stopping studio has to reach its next checkpoint and hand its jobs back."""

    @model_validator(mode="after")
    def _beats_fit(self) -> Self:
        if self.heartbeat * _BEATS > self.lease:
            raise ValueError(f"heartbeat must be a third of lease at most, so {self.lease / _BEATS:g} s or less")
        return self


class Limits(Section):
    """What one request, one tenant and the whole cell may ask for."""

    body: Count = 256
    """MiB of one request's body. Nine images as data URIs take 240."""
    bodies: Count = 1_024
    """MiB of bodies that one gateway has in hand at once, half of it for one tenant at most; further ones are told when
    to come again. They take up to four times as much memory, and forms as much of the disk for temporary files."""
    upload: Count = 100
    """MiB of one uploaded file."""
    stored: Count = 10_240
    """MiB that the uploads, sources and films of one tenant take in the store. What would go beyond is refused, and so
    are orders while it is full; a film that was ordered before is made and kept. Expiry and erasure make room."""
    queue: Count = 1_000
    """Jobs that wait in the cell; further ones are told when to come again."""
    queue_per_tenant: Count = 100
    """Jobs of one tenant that wait."""
    fruitless: Count = 60
    """Requests of one tenant, in a minute and through one gateway, that leave entries in the log and no film: junk,
    repeats, denials. Ten minutes' worth may come at once; further ones are told when to come again."""
    uploads_retention: Positive = 48
    """Hours that an upload can be used."""

    @model_validator(mode="after")
    def _one_fits(self) -> Self:
        if self.bodies < 2 * self.body:
            raise ValueError(f"bodies is less than twice body, so one of {self.body} MiB could never come in")
        if self.stored < self.upload:
            raise ValueError(f"stored is less than upload, so a file of {self.upload} MiB could never be kept")
        return self


class Media(Section):
    """What clients' images and films may be, and which of their addresses this cell calls. By default it calls none."""

    hosts: tuple[Host, ...] = ()
    """Hosts that are called for every tenant: `assets.example.com`, or `*.example.com` for all below it."""
    hosts_of: dict[Tenant, tuple[Host, ...]] = Field(default={}, examples=[{}])
    """Further hosts for one tenant, by its id."""
    public: bool = False
    """Whether any host of the public Internet is called. It lets a client's address leave the region."""
    http: bool = False
    """Whether addresses without encryption are called. Add port 80 then."""
    ports: tuple[Port, ...] = (443,)
    """Ports that are called."""
    inner: tuple[Network, ...] = ()
    """Private networks that are called all the same, such as the one of a store in this region. Link-local addresses
    and clouds' metadata are never called."""
    never: tuple[Network, ...] = ()
    """Public networks that are never called, such as the cell's own."""
    seconds: Positive = 60
    """Seconds for one fetch, redirects included."""
    connect_seconds: Positive = 5
    """Seconds for one connection."""
    idle_seconds: Positive = 10
    """Seconds without a byte."""
    redirects: Annotated[int, Field(ge=0, le=10)] = 3
    """Redirects that are followed; 0 follows none."""
    at_once: Count = 2
    """Requests of one tenant whose media are fetched and looked at, at the same time."""
    image_bytes: Count = 20
    """MiB of one image's file."""
    image_pixels: Count = 40_000_000
    """Width times height of one image. Decoding takes about 8 bytes a pixel."""
    image_side: Count = 8_192
    """Pixels of the longer side of an image."""
    film_bytes: Count = 100
    """MiB of one film's file."""
    film_pixels: Count = 3840 * 2160
    """Width times height of a film's frame."""
    film_seconds: Positive = 15
    """Seconds of a film that are used; an edit cuts what is longer."""
    link_hours: Positive = 24
    """Hours that a link to a film opens it, and never longer than the film is kept."""
    link_keys: tuple[Secret, ...] = ()
    """Files with the keys that sign links, each named by its id, such as `2026-11`. The first signs, all open. To
    change keys put a new one before the old, and take the old one out after `link_hours`. With none, the cell draws
    one at its first start and keeps it in `folders.state`."""

    @model_validator(mode="after")
    def _can_call(self) -> Self:
        if self.http and 80 not in self.ports and self.ports == (443,):
            raise ValueError("http is on, and ports leaves out 80, so nothing would be called without encryption")
        if len({path.stem for path in self.link_keys}) < len(self.link_keys):
            raise ValueError("two of link_keys have one name, which is their id; rename one")
        return self

    def reach(self, tenant: str) -> Reach:
        """Where addresses that this tenant gives may lead."""
        return Reach(
            hosts=self.hosts + self.hosts_of.get(tenant, ()),
            public=self.public,
            http=self.http,
            ports=frozenset(self.ports),
            inner=self.inner,
            never=self.never,
        )

    @property
    def patience(self) -> Patience:
        """How much one fetch may cost."""
        return Patience(
            bytes=max(self.image_bytes, self.film_bytes) * MIB,
            whole=self.seconds,
            connect=self.connect_seconds,
            read=self.idle_seconds,
            redirects=self.redirects,
            at_once=self.at_once,
        )

    @property
    def images(self) -> ImageLimits:
        """What an image may cost."""
        from model.media import ImageLimits

        return ImageLimits(bytes=self.image_bytes * MIB, pixels=self.image_pixels, side=self.image_side)

    @property
    def films(self) -> FilmLimits:
        """What a film may cost."""
        from model.media import FilmLimits

        return FilmLimits(bytes=self.film_bytes * MIB, pixels=self.film_pixels, seconds=self.film_seconds)


class Webhooks(Section):
    """How callers are told of the end of a job: a signed note with id and state, and no more."""

    on: bool = False
    """Whether webhooks go out at all. A request that asks for one is refused while they are off."""
    hosts: tuple[Host, ...] = ()
    """Hosts that are told, as in `media.hosts`. The same guard stands before them."""
    secret: Secret | None = None
    """File with the key that signs, as `whsec_` and base64. With none, the cell draws one and keeps it in
    `folders.state`."""
    tries: Count = 8
    """Tries before a note is given up; with 5 s after the first and twice as long each time, about ten minutes."""
    seconds: Positive = 10
    """Seconds for one try."""


class Marks(Section):
    """How films are marked as generated, and who signs for it. There is no way to switch marks off."""

    certificate: Path | None = None
    """File with the certificate chain that signs films (C2PA), in PEM, the signer's own first. With none, the cell
    draws an authority and a signer for development; readers call such films untrusted."""
    key: Secret | None = None
    """File with the signer's private key, P-256, as PKCS#8 in PEM. It goes with `certificate`."""
    watermark: Secret | None = None
    """File with the secret that the invisible watermarks depend on. Whoever has it can find and forge them. With none,
    the cell draws one and keeps it in `folders.state`; back it up, since without it no mark is ever found again."""
    timestamps: str = ""
    """Address of an RFC 3161 time-stamping authority, asked at each signature. Empty asks nobody."""

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together; name both, or neither")
        if self.timestamps and not self.timestamps.startswith(("http://", "https://")):
            raise ValueError("write timestamps as http:// or https:// and an address, or leave it empty")
        return self


class Telemetry(Section):
    """What leaves for those who watch the cell: ids, sizes, counts, durations and states, never a prompt."""

    otlp: str = ""
    """Address of an OpenTelemetry collector in this cell, such as `http://127.0.0.1:4318`: scheme, host and port.
    Traces, metrics and logs go there, by OTLP over HTTP. Empty switches it off."""
    token: Secret | None = None
    """File with the bearer token that the collector wants, if it wants one."""
    metrics: bool = True
    """Whether Prometheus metrics are served at `listen.operations_port`, as `/metrics`."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important messages that are written."""
    sample: Share = 1.0
    """Share of the requests for films whose traces are kept, with all that becomes of the job. 0 keeps none."""
    sample_reads: Share = 0.01
    """Share of all other requests whose traces are kept, such as those that ask how a job stands. 0 keeps none."""
    tenants: Annotated[int, Field(ge=0, le=1_000)] = 50
    """Tenants that have a label of their own in metrics; those that come later share one. 0 tells none apart."""
    queue: Annotated[int, Field(ge=1, le=100_000)] = 4_096
    """Spans that wait for the collector at most, and as many log lines. What comes beyond is dropped and counted; a
    span takes about 2 KiB."""
    seconds: Positive = 5
    """Seconds that the collector has for one answer. Nothing else waits for it."""
    every: Positive = 15
    """Seconds between two messages with metrics, and between two looks at `vllm` and `ray`."""
    vllm: str = ""
    """Address of vLLM's own metrics on this machine, such as `http://127.0.0.1:8100/metrics`. What is on the allow-list
    is told on with the cell's. Empty asks nobody: an engine that the cell runs itself is read without an address."""
    ray: str = ""
    """The same for Ray's own metrics, such as `http://127.0.0.1:8080/metrics`."""

    @field_validator("otlp")
    @classmethod
    def _is_a_collector(cls, text: str) -> str:
        if text and not _ORIGIN.fullmatch(text):
            raise ValueError("write scheme, host and port in small letters, with nothing after them: http://HOST:4318")
        return text

    @field_validator("vllm", "ray")
    @classmethod
    def _is_on_this_machine(cls, text: str) -> str:
        if text and (not text.startswith("http://") or urlsplit(text).hostname not in _LOOPBACK):
            raise ValueError("write an http address of this machine, such as http://127.0.0.1:8080/metrics")
        return text


class Log(Section):
    """The residency log: proof of where each request was decided, run and stored."""

    domain: Annotated[str, StringConstraints(pattern=r"^(?:[a-z0-9][a-z0-9-]{0,30}\.){1,4}[a-z]{2,16}$")] = (
        "cell.example"
    )
    """The operator's domain, with which the log's name begins: `DOMAIN/equerry/CELL/residency/HALF-YEAR`. It never
    changes while the log is written."""
    folder: Path = Path("log")
    """Where the log lies. It must survive everything; back it up."""
    batch: Annotated[float, Field(gt=0, le=5_000)] = 20
    """Milliseconds for which entries are gathered before they are signed together. A request waits as long."""
    witnesses: Annotated[tuple[str, ...], Field(max_length=16)] = ()
    """Addresses of the witnesses that are asked to sign heads too (C2SP tlog-witness), up to where `/add-checkpoint`
    begins: `https://HOST/PATH`. Plain http is taken for loopback only. None asks nobody."""
    witness_seconds: Annotated[float, Field(ge=1, le=86_400)] = 60
    """Seconds between asking them; a steady pace says nothing about traffic."""
    witness_keys: Path | None = None
    """File with the witnesses' keys and how many of them must vouch: lines `witness`, `group` and `quorum` of a trust
    policy (C2SP tlog-policy). The cell adds the log's own keys, and writes the whole beside the log, for auditors.
    Needed where witnesses are named."""

    @field_validator("witnesses")
    @classmethod
    def _are_reached_safely(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for text in addresses:
            if not _ADDRESS.fullmatch(text):
                raise ValueError("write scheme, host, port and path, with no slash at the end: https://HOST/PATH")
            if text.startswith("http://") and urlsplit(text).hostname not in _LOOPBACK:
                raise ValueError("only a witness on loopback is asked over plain http; write https://")
        return addresses

    @model_validator(mode="after")
    def _knows_whom_it_asks(self) -> Self:
        if self.witnesses and self.witness_keys is None:
            raise ValueError("witnesses need witness_keys, since a signature is worth nothing without the key")
        return self


class Policies(Section):
    """Where the signed rules and facts lie that decide about requests."""

    bundle: Path | None = None
    """Rules of your own: a folder with `rules.cedar` and `schema.cedarschema`, or a bundle. None takes the shipped
    ones."""
    catalogue: Path | None = None
    """The signed catalogue of providers and regions. None takes the shipped one, which confirms little."""
    lists: Path | None = None
    """The signed lists of entities and of adequate countries. None takes the shipped ones."""
    overlays: tuple[Path, ...] = ()
    """Your own signed confirmations, in order."""
    trust: Path | None = None
    """Whose signatures count, beside the shipped key for what is shipped."""
    tenants: Path = Path("tenants")
    """Folder of tenants, their keys' digests and what binds them."""
    pepper: Secret | None = None
    """File with the secret half of the keys' digests. With none it is `pepper` in `tenants`."""


class Sla(Section):
    """What is promised before a film is taken on."""

    on: bool = True
    """Whether a film is refused that would not keep its promise, or break another's. Switched off, jobs are made first
    come, first served, without terms, prices or quotas."""
    document: Path | None = None
    """Classes of service as JSON. None takes the shipped ones, which are an example."""
    first_seconds: Positive = 5
    """Seconds that a second of film is taken to keep a studio busy, until one was made."""


class Meter(Section):
    """What films cost, and what making them costs."""

    prices: tuple[Path, ...] = ()
    """Price books as JSON; the latest that has begun counts. Keep the old ones, since statements name them. With none,
    the shipped one is taken, which is an example."""
    currency: Literal["EUR", "JPY", "USD"] = "EUR"
    """Of tenants with whom no other was agreed."""
    engine_hour: Annotated[int, Field(ge=0)] = 0
    """What one engine costs in an hour, in the minor unit of `currency`. 0 leaves costs in money out."""


class Attest(Section):
    """How a replica finds out at start where it really is. What names another place keeps it from serving."""

    source: Literal["none", "kubernetes"] = "none"
    """`kubernetes` reads the label `topology.kubernetes.io/region` of the pod's node; `none` takes the settings' word,
    and decisions say that the place is only declared."""
    region: str = ""
    """The region as labels and documents spell it. Empty is `cell.region`."""
    node: str = ""
    """Name of the node that this replica runs on; the chart takes it from the pod."""
    api: str = "https://kubernetes.default.svc"
    """Address of the Kubernetes API."""
    token: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
    """File with the token that the API is shown."""
    authority: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")
    """File with the certificate of the API's authority."""
    document: Literal["none", "aws", "gcp"] = "none"
    """The instance identity document that is asked for and checked too. Google's answers a challenge of this replica,
    so the place counts as attested; the one of AWS could be another machine's, and adds nothing to the grade."""
    keys: Path | None = None
    """File with the public keys or certificates, in PEM, of those who sign such documents."""
    metadata: str = "http://169.254.169.254"
    """Address of the machine's metadata service."""

    @model_validator(mode="after")
    def _can_ask(self) -> Self:
        if self.document != "none" and self.keys is None:
            raise ValueError("document needs keys, since a document that nobody vouches for proves nothing")
        return self


class Keeper(Section):
    """How studios in pods of their own reach the process that writes the log. On one machine nothing here counts."""

    host: str = "127.0.0.1"
    """Address that studios' entries come to."""
    port: Port = 8002
    """Port that studios' entries come to. Clients must not reach it."""
    address: str = Field(default="", pattern=r"^$|^https://[a-z0-9.-]+(:[0-9]+)?$")
    """Scheme, host and port under which studios reach it, with TLS."""
    certificate: Path | None = None
    """File with the keeper's certificate chain, in PEM."""
    key: Secret | None = None
    """File with the certificate's private key, in PEM."""
    authority: Path | None = None
    """File with the certificate of the authority that studios trust to name the keeper, in PEM."""
    token: Secret | None = None
    """File with the token that studios show."""


class CellSettings(BaseSettings):
    """Everything that one cell is told. Frozen; made by `serving.settings_file.load`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        env_prefix="EQUERRY_",
        env_nested_delimiter="__",
    )

    cell: Cell
    listen: Listen = Listen()
    folders: Folders = Folders()
    database: Database = Database()
    objects: Objects = Objects()
    engine: Engine = Engine()
    ray: Ray = Ray()
    jobs: Jobs = Jobs()
    limits: Limits = Limits()
    media: Media = Media()
    webhooks: Webhooks = Webhooks()
    marks: Marks = Marks()
    telemetry: Telemetry = Telemetry()
    log: Log = Log()
    policies: Policies = Policies()
    sla: Sla = Sla()
    meter: Meter = Meter()
    attest: Attest = Attest()
    keeper: Keeper = Keeper()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  the name is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment comes before what the file says, and nothing else is looked at."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.media.link_hours > self.jobs.retention:
            raise ValueError("media.link_hours is more than jobs.retention, so links would outlive their films")
        if self.webhooks.on and not (self.webhooks.hosts or self.media.public):
            raise ValueError("webhooks.on is true, and webhooks.hosts names nobody who may be told")
        shared = self.objects.url != "folder" or self.database.url != "sqlite"
        if self.objects.sealed and shared and not self.objects.sealing_keys:
            raise ValueError("objects.sealed needs objects.sealing_keys here: other machines would draw another key")
        if self.media.film_bytes > self.limits.upload:
            raise ValueError("media.film_bytes is more than limits.upload, so such a film could never be uploaded")
        return self

    @property
    def objects_url(self) -> str:
        """The objects' store as `serving.media.store.open_objects` takes it."""
        own = self.objects.url == "folder"
        return f"file://{(self.folders.state / 'objects').absolute()}" if own else self.objects.url

    @property
    def webhook_reach(self) -> Reach:
        """Where webhooks may go."""
        return replace(self.media.reach(""), hosts=self.webhooks.hosts)

    def sections(self) -> Mapping[str, Section]:
        """The sections by name, in the order of the file."""
        return {name: getattr(self, name) for name in type(self).model_fields}
