"""Several samples on a page: how to read them, the choice of layer and head, and one section a sample."""

from collections.abc import Sequence

from sampleformer.explain.explanation import Explanation
from sampleformer.explain.sample_section import sample_section
from sampleformer.explain.text_map import most_chosen, text_legend
from sampleformer.explain.views import view_of
from sampleformer.models import AnyModelSettings, ModelSettings
from sampleformer.wording import count


def model_words(settings: AnyModelSettings) -> str:
    """The model in a few words."""
    if not isinstance(settings, ModelSettings):
        others = settings.model_dump(exclude={"name"})
        words = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in others.items())
        return f"{settings.name}{f' ({words})' if words else ''}"
    arguments = settings.attention.model_dump()
    name = arguments.pop("name")
    given = ", ".join(f"{key} {value}" for key, value in arguments.items())
    return (
        f"attention {name}{f' ({given})' if given else ''}, {count(settings.layers, 'layer')} of "
        f"{count(settings.heads, 'head')}, width {settings.width}"
    )


def gallery(shown: Sequence[Explanation], settings: ModelSettings, titles: Sequence[str] | None = None) -> str:
    """The sections of several samples of one kind, with what a reader needs to read them.

    Args:
        shown: the samples.
        settings: of the model.
        titles: plain text, one for each sample. None: its number and id.
    """
    if not shown:
        return "<p>No samples.</p>\n"
    choosing = [
        explanation for explanation in shown if explanation.choices.length and not explanation.choices.everything
    ]
    headings = titles or [f"Sample {place} (id {explanation.id})" for place, explanation in enumerate(shown, start=1)]
    # One scale for all texts of a page, so that marks can be compared.
    most = max((most_chosen(one.pieces, one.choices) for one in choosing), default=0)
    sections = [sample_section(one, title, most) for one, title in zip(shown, headings, strict=True)]
    if not choosing:
        return _NO_CHOICE + "".join(sections)
    largest = max(choosing, key=lambda one: one.choices.length)  # a graph without edges does not show what tokens are
    return _chooser(choosing[0]) + _how_to_read(largest, settings, most) + _average(choosing) + "".join(sections)


_NO_CHOICE = "<p>The heads of this model attend to every token of these samples, so no choice is marked.</p>\n"


def _how_to_read(explanation: Explanation, settings: ModelSettings, most: int) -> str:
    one, many = view_of(explanation).one, view_of(explanation).many
    article = "an" if one[0] in "aeiou" else "a"
    words = (
        f"<p>In each layer every head chooses {many} of its own, and all {many} attend to those alone: {article} {one} "
        f"that was not chosen reaches no other {one} through that head.</p>\n"
    )
    if settings.attention.model_dump().get("choice") == "soft":
        words += (
            f"<p>The choice of this model is soft: each chosen {one} is mixed with the runners-up, which are not "
            "marked but are read a little too.</p>\n"
        )
    heads = explanation.choices.layers * explanation.choices.heads
    return words + (text_legend(heads, most) if one == "token" else "")


def _chooser(explanation: Explanation) -> str:
    """The boxes for layer and head, shown by the page's script, without which they would do nothing."""
    layers = "".join(f'<option value="{layer}">{layer + 1}</option>' for layer in range(explanation.choices.layers))
    if explanation.pooling is not None and view_of(explanation).picks_pooling:
        layers += '<option value="pooling">pooling weights</option>'
    heads = "".join(f'<option value="{head}">{head + 1}</option>' for head in range(explanation.choices.heads))
    return (
        '<div class="choose" hidden>'
        f'<label>Layer <select autocomplete="off"><option value="">all</option>{layers}</select></label>'
        f'<label>Head <select autocomplete="off"><option value="">all</option>{heads}</select></label>'
        '<output aria-live="polite"></output></div>\n'
    )


def _average(shown: Sequence[Explanation]) -> str:
    """What was chosen over all samples, where the tokens of all samples stand for the same things."""
    first = shown[0]
    same = all(one.choices.length == first.choices.length and one.layout == first.layout for one in shown)
    average = view_of(first).average
    if len(shown) < 2 or not same or average is None:
        return ""
    return f"<h2>Over these samples</h2>\n{average(first, [one.choices.share for one in shown])}"
