"""Pages about a workspace: what stands on them, and whose files a build touches."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from casecart.cli.main import run
from casecart.commands.workspace import make_workspace
from casecart.commands.workspace_site import pages

if TYPE_CHECKING:
    Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new workspace, which no test changes."""
    root = tmp_path_factory.mktemp("site") / "ws"
    make_workspace(root)
    return root


@pytest.fixture(scope="module")
def site(shipped: Path) -> dict[str, str]:
    """Its pages."""
    return pages(shipped)


@pytest.fixture
def root(shipped: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(shipped, tmp_path / "ws"))


class _Page(HTMLParser):
    """The links of a page, its anchors, and whether every element is closed."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        self.links += [link for name in ("href", "src") if (link := given.get(name)) is not None]
        self.anchors |= {anchor for anchor in [given.get("id")] if anchor is not None}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_there_is_a_page_for_each_channel_and_mapping(shipped: Path, site: dict[str, str]) -> None:
    named = {
        f"{path.parent.name}/{path.stem}.html"
        for path in (*shipped.glob("channels/*.yaml"), *shipped.glob("mappings/*.yaml"))
    }
    assert named - {name for name in named if ".test." in name} <= set(site)


@pytest.mark.parametrize(
    "words",
    [
        "Implants and supplies documented in the operating room become stock movements.",
        "Supply chain (business), Integration (technical)",
        "DFT^P03, DFT^P11",
        "orsys",
        "usage.ownership == &#39;owned&#39;",
        "post to inventory as consumption",
        "OBX[OBX-3.1 = &#39;74711-3&#39;]-5",
        'href="../tables.html#transaction-type"',
        "an implant with a full UDI is posted once",
        "<code>use</code> takes from the stock",
    ],
)
def test_the_page_of_a_channel_says_what_its_yaml_says(site: dict[str, str], words: str) -> None:
    assert words in site["channels/or-usage.html"]


def test_every_page_is_whole_has_no_script_and_leads_to_pages_that_are_there(site: dict[str, str]) -> None:
    read = {name: _Page(text) for name, text in site.items() if name.endswith(".html")}
    for name, page in read.items():
        assert not page.open, name
        assert not page.tags & {"script", "style", "img", "iframe", "form"}, name
        for link in page.links:
            target, _, anchor = link.partition("#")
            path = str((Path("/") / name).parent.joinpath(target).resolve())[1:] if target else name
            assert path in site, (name, link)
            assert not anchor or anchor in read[path].anchors, (name, link)


def test_the_same_files_give_the_same_pages(shipped: Path, site: dict[str, str]) -> None:
    assert pages(shipped) == site


def test_what_an_analyst_writes_is_text_and_no_markup(root: Path) -> None:
    path = root / "channels/or-usage.yaml"
    path.write_text(
        re.sub("about: .*", "about: \"<script>alert('{{ 7 * 7 }}')</script>\"", path.read_text("utf-8"), count=1),
        "utf-8",
    )
    page = pages(root)["channels/or-usage.html"]
    assert "&lt;script&gt;alert(&#39;{{ 7 * 7 }}&#39;)&lt;/script&gt;" in page
    assert "<script" not in page


def test_no_secret_stands_on_a_page(shipped: Path, site: dict[str, str]) -> None:
    secrets = [path.read_text("utf-8").strip() for path in (shipped / "var/secrets").iterdir()]
    assert secrets
    assert not [name for name, text in site.items() if any(secret in text for secret in secrets)]


def test_a_build_is_told_by_its_first_page_and_takes_away_what_it_made_before(root: Path, capsys: Captured) -> None:
    assert run(["docs", "build", "-w", str(root)]) == 0
    made = root / "var/docs"
    assert capsys.readouterr().out.endswith(f"open {made / 'index.html'}\n")
    (made / "notes.txt").write_text("mine", "utf-8")
    for name in ("channels/device-observations.yaml", "channels/device-observations.test.yaml"):
        (root / name).unlink(missing_ok=True)
    assert run(["docs", "build", "-w", str(root)]) == 0
    assert not (made / "channels/device-observations.html").exists()
    assert (made / "notes.txt").read_text("utf-8") == "mine"


def test_a_folder_with_other_files_is_left_alone(root: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/index.html").write_text("mine", "utf-8")
    assert run(["docs", "build", "-w", str(root), "--to", str(tmp_path / "home")]) == 1
    assert "has files that are not of an earlier build" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["index.html"]


def test_a_list_of_pages_that_somebody_changed_deletes_nothing_outside(root: Path, tmp_path: Path) -> None:
    assert run(["docs", "build", "-w", str(root)]) == 0
    (tmp_path / "kept").write_text("mine", "utf-8")
    (root / "var/docs/.casecart-docs").write_text(f"../../../kept\n{tmp_path}/kept\nx\0y\n", "utf-8")
    assert run(["docs", "build", "-w", str(root)]) == 0
    assert (tmp_path / "kept").read_text("utf-8") == "mine"


def test_a_workspace_with_errors_gets_its_findings_and_no_pages(root: Path, capsys: Captured) -> None:
    (root / "channels/or-usage.yaml").write_text("channel: or-usage\n", "utf-8")
    assert run(["docs", "build", "-w", str(root)]) == 3
    assert "channels/or-usage.yaml:1:1 error missing-key" in capsys.readouterr().err
    assert not (root / "var/docs").exists()
