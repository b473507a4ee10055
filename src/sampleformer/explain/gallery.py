"""Several samples on a page: how to read them, the choice of layer and head, and one section a sample."""

from collections.abc import Sequence

from sampleformer.explain.explanation import Explanation
from sampleformer.explain.faithfulness_figure import TITLE, faithfulness_summary
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
    choosing = choosing_of(shown)
    headings = titles or [f"Sample {place} (id {explanation.id})" for place, explanation in enumerate(shown, start=1)]
    most = most_heads(choosing)
    sections = "".join(sample_section(one, title, most) for one, title in zip(shown, headings, strict=True))
    return introduction(shown, [settings]) + _average(choosing) + _deleted(shown) + sections


def choosing_of(shown: Sequence[Explanation]) -> list[Explanation]:
    """Those of some samples of which tokens were chosen and others were not."""
    return [explanation for explanation in shown if explanation.choices.length and not explanation.choices.everything]


def most_heads(choosing: Sequence[Explanation]) -> int:
    """Heads that the strongest mark in a text stands for: one scale for all texts of a page, to compare them by."""
    return max((most_chosen(one.pieces, one.choices) for one in choosing), default=0)


def introduction(shown: Sequence[Explanation], settings: Sequence[ModelSettings]) -> str:
    """The boxes for layer and head, and how to read what the heads chose.

    Args:
        shown: All samples of the page.
        settings: Those of each model.
    """
    choosing = choosing_of(shown)
    if not choosing:
        return _NO_CHOICE
    return _chooser(choosing) + _how_to_read(choosing, settings)


_NO_CHOICE = "<p>The heads of this model attend to every token of these samples, so no choice is marked.</p>\n"


def _how_to_read(choosing: Sequence[Explanation], settings: Sequence[ModelSettings]) -> str:
    # A graph without edges does not show what tokens are.
    view = view_of(max(choosing, key=lambda one: one.choices.length))
    one, many = view.one, view.many
    article = "an" if one[0] in "aeiou" else "a"
    words = (
        f"<p>In each layer every head chooses {many} of its own, and all {many} attend to those alone: {article} {one} "
        f"that was not chosen reaches no other {one} through that head.</p>\n"
    )
    soft = [each for each in settings if each.attention.model_dump().get("choice") == "soft"]
    if soft:
        whose = "this model" if len(settings) == 1 else "one model" if len(soft) == 1 else "both models"
        words += (
            f"<p>The choice of {whose} is soft: each chosen {one} is mixed with the runners-up, which are not marked "
            "but are read a little too.</p>\n"
        )
    heads = max(explanation.choices.voters for explanation in choosing)
    return words + (text_legend(heads, most_heads(choosing)) if one == "token" else "")


def _chooser(choosing: Sequence[Explanation]) -> str:
    """The boxes for layer and head, shown by the page's script, without which they would do nothing."""
    layers, heads = (
        "".join(f'<option value="{place}">{place + 1}</option>' for place in range(most))
        for most in (max(one.choices.layers for one in choosing), max(one.choices.heads for one in choosing))
    )
    if any(one.pooling is not None and view_of(one).picks_pooling for one in choosing):
        layers += '<option value="pooling">pooling weights</option>'
    return (
        '<div class="choose" hidden>'
        f'<label>Layer <select autocomplete="off"><option value="">all</option>{layers}</select></label>'
        f'<label>Head <select autocomplete="off"><option value="">all</option>{heads}</select></label>'
        '<output aria-live="polite"></output></div>\n'
    )


def _deleted(shown: Sequence[Explanation]) -> str:
    """What all samples together lost without the chosen tokens, if that was measured of several."""
    measured = [one.faithfulness for one in shown if one.faithfulness is not None]
    if len(measured) < 2:
        return ""
    return f"<h2>{TITLE}</h2>\n{faithfulness_summary(measured, 'page', view_of(shown[0]).many)}"


def _average(shown: Sequence[Explanation]) -> str:
    """What was chosen over all samples, where the tokens of all samples stand for the same things."""
    if len(shown) < 2:
        return ""
    first = shown[0]
    same = all(one.choices.length == first.choices.length and one.layout == first.layout for one in shown)
    average = view_of(first).average
    if not same or average is None:
        return ""
    return f"<h2>Over these samples</h2>\n{average(first, [one.choices.share for one in shown])}"
