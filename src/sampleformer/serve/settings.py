"""Settings of a web service."""

from pydantic import Field

from sampleformer.settings import Settings


class ServeSettings(Settings):
    """Limits of a service, and how it collects requests.

    Args:
        wait: Milliseconds in which requests are collected for one pass through the model. 0: each goes through alone.
        batch: Samples of a pass beyond which no further request joins it.
        max_bytes: Largest body of a request.
        max_samples: Most samples of a request.
        max_explained: Most samples of a request that asks for explanations; each costs a pass and a page of its own.
        max_seconds: Longest time that a request may take, from its first byte to its answer.
        max_waiting: Most requests at a time; further ones are refused until the service has caught up.

    Example:
        >>> ServeSettings(wait=0).batch
        256
    """

    wait: float = Field(default=2.0, ge=0, le=1000, allow_inf_nan=False)
    batch: int = Field(default=256, ge=1)
    max_bytes: int = Field(default=4 << 20, ge=1)
    max_samples: int = Field(default=256, ge=1)
    max_explained: int = Field(default=8, ge=1)
    max_seconds: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    max_waiting: int = Field(default=1000, ge=1)
