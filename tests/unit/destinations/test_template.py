"""Outbound text from templates: what it can do, and what it is kept from."""

from __future__ import annotations

from decimal import Decimal

import pytest

from casecart.destinations.template import LIMIT, Template, TemplateProblem

VALUES = {"postings": [{"key": "a.1", "quantity": "2.50", "weight": Decimal("0.10")}, {"key": "b.1", "lot": "<&>"}]}


def problem(source: str) -> TemplateProblem:
    with pytest.raises(TemplateProblem) as raised:
        Template(source).render(VALUES)
    return raised.value


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ postings | map(attribute='key') | join(',') }}", "a.1,b.1"),
        ("{{ postings[0].quantity }}", "2.50"),  # text stays text
        ("{{ postings[0].weight | json }}", "0.10"),  # a decimal keeps its digits
        ("{{ postings[1] | json }}", '{"key":"b.1","lot":"<&>"}'),
        ("{{ postings[1].lot }}", "<&>"),  # nothing is escaped unasked
        ("<l>{{ postings[1].lot | e }}</l>", "<l>&lt;&amp;&gt;</l>"),
        ("{{ postings[0].lot | default('none') }}", "none"),
        ("{{ postings[0].lot | default(none) | json }}", "null"),
        ("{% for posting in postings %}\n  {{ posting.key }}\n{% endfor %}", "  a.1\n  b.1\n"),
        ("{{ 'ab' * 3 }}{{ 2 * 3 }}", "ababab6"),
        ("ä{{ 'é' }}", "äé"),
    ],
)
def test_a_template_renders(source: str, text: str) -> None:
    assert Template(source).render(VALUES).decode() == text


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("a\n{{ postings[0].lot }}", 2, "it needs 'lot', which is not there"),
        ("a\n\n{{ postings[0].lot | json }}", 3, "it needs 'lot', which is not there"),
        ("{{ nobody }}", 1, "it needs 'nobody', which is not there"),
        ("{{ postings[0][postings[1].lot] }}", 1, "it needs what is not there"),  # the name is a posting's own
        ("\n{{ postings[0].quantity | int + 'x' }}", 2, "it fails there (TypeError)"),
        ("{{ 1 // 0 }}", 1, "it fails there (ZeroDivisionError)"),
        ("{% include 'other' %}", 1, "it fails there (TypeError)"),
    ],
)
def test_a_failure_is_told_by_its_line_and_without_values(source: str, line: int, words: str) -> None:
    found = problem(source)
    assert (found.line, found.words) == (line, words)


@pytest.mark.parametrize("source", ["a\n{% for %}", "a\n{{ x | nothing }}", "a\n{{ 'x"])
def test_a_template_that_cant_be_read_says_where(source: str) -> None:
    assert problem(source).line == 2


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ postings.append(1) }}",
        "{{ postings[0].update({}) }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__ }}",
    ],
)
def test_the_sandbox_holds(source: str) -> None:
    assert "line 1" in str(problem(source))


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 100000000 }}",
        "{{ [1] * 100000000 }}",
        "{{ 100000000 * 'x' }}",
        "{{ ('x' * 60000) * 2000 }}",
        "{{ 10 ** 100000000 }}",
        "{{ '%100000000d' % 1 }}",
        "{{ '{:>100000000}'.format(1) }}",
        "{{ '{x:>100000000}'.format_map({'x': 1}) }}",
        "{{ 'x' | attr('ljust')(100000000) }}",
        "{{ 'x'.ljust(100000000) }}",
        "{{ 'x' | center(100000000) }}",
        "{{ 'x' | indent(100000000) }}",
        "{{ lipsum(n=1000000) }}",
        "{% for i in range(100000000) %}{% endfor %}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    ],
)
def test_a_bomb_doesnt_go_off(source: str) -> None:
    # Not made and then found too large, but not made.
    assert "renders more" not in problem(source).words


def test_the_output_is_bounded() -> None:
    chunk = "{% for i in range(" + str(LIMIT // 1000) + ") %}" + "x" * 1000 + "{% endfor %}"
    assert len(Template(chunk).render({})) <= LIMIT
    assert problem(chunk + "x" * 1000).words == "it renders more than 8 MiB"


def test_rendering_twice_gives_the_same_bytes() -> None:
    assert "random" in problem("{{ postings | random }}").words
