"""The slow second implementation of each registered attention."""

from tests.naive.attention import full, samsa
from tests.naive.sft import sft
from tests.naive.yoso import yoso

TWINS = {"full": full, "samsa": samsa, "sft": sft, "yoso": yoso}
