"""The codes of findings: what each means, and what to do about it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CODES", "Code"]


class Code(NamedTuple):
    """A stable code.

    Attributes:
        about: what is wrong, in one sentence.
        remedy: what to do, in one sentence without its full stop.
    """

    about: str
    remedy: str


CODES: Mapping[str, Code] = MappingProxyType(
    {
        # The file itself.
        "missing-file": Code(
            "A file that every workspace needs is not there.",
            "Bring it back, or make a new workspace with `casecart init DIR` and take it from there",
        ),
        "unreadable-file": Code(
            "The file exists, but it could not be read.",
            "Let the user that runs casecart read it; a folder, pipe or loop of links in its place goes",
        ),
        "too-large": Code(
            "The file is larger than a file of its kind may be.", "Split it, or take out what does not belong there"
        ),
        "not-utf-8": Code(
            "The file is not UTF-8 text; save it with that encoding.",
            "Save it as UTF-8; in most editors that is a choice when saving",
        ),
        "not-text": Code(
            "The file contains a character that has no place in a text file, such as NUL.",
            "Remove the character at the place that is told",
        ),
        "file-name": Code("The file would be overlooked because of its name.", "Rename the file as the message says"),
        "folder-not-empty": Code(
            "A new workspace is only made in an empty folder.", "Name another folder, or a new one"
        ),
        "unwritable": Code(
            "A file or folder could not be written.", "Let the user that runs casecart write there, or make room"
        ),
        "name-mismatch": Code(
            "The name inside the file and the name of the file differ.",
            "Make the two the same: what names the thing elsewhere names the file",
        ),
        # YAML.
        "yaml-syntax": Code(
            "The text is not YAML from this place on.",
            "Look at the place and the line above it: indentation, a colon, a quote or a bracket",
        ),
        "yaml-tab": Code("A tab is used for indentation; YAML wants spaces.", "Put spaces in its place"),
        "yaml-anchor": Code(
            "Anchors (&name) and aliases (*name) are not used; write the value out.",
            "Write the value out in each place; a text that begins with & or * goes in quotes",
        ),
        "yaml-tag": Code(
            "Tags (!name) are not used; the declared type of the key decides.",
            "Remove it; a text that begins with ! goes in quotes",
        ),
        "yaml-merge": Code("Merge keys (<<) are not used; write the keys out.", "Write the keys out"),
        "yaml-documents": Code("A file holds one document; `---` may only stand before it.", "Make a file of each"),
        "yaml-depth": Code(
            "The values are nested too deeply.",
            "Nothing in a workspace goes that deep: look for brackets that are never closed",
        ),
        "yaml-key": Code(
            "A key is plain text, not a list or a block of keys.",
            "Put it in quotes if it is text; else look for a bracket too many",
        ),
        "duplicate-key": Code("The same key is written twice; only one of them can hold.", "Keep one of the two"),
        "quote-path": Code(
            "A path with [ or , in it must be put in quotes.", 'Put the path in double quotes: `"OBX[2]-5"`'
        ),
        # Keys and values.
        "unknown-key": Code("The key does not exist here.", "Look at the guess, or at the keys that are listed"),
        "missing-key": Code("A required key is not there.", "Add it; an editor with the schema shows what it is for"),
        "no-token": Code(
            "A field that identifies a patient's visit would leave the engine as the sender wrote it.",
            "Add `token: case` to the field, as the message says",
        ),
        "not-disclosed": Code(
            "A mapping writes a patient's identifier that its destination doesn't say it discloses.",
            "Name the field under `discloses` of the destination, if it may have it; else take it out of the mapping",
        ),
        "plain-text": Code(
            "What identifies a patient would go over a network unencrypted.", "Give the listener or destination `tls`"
        ),
        "same-test": Code("Two tests of a file have the same name.", "Give one of the two another name"),
        "missing-field": Code(
            "A mapping leaves out a field that its channel needs.",
            "Map the field, or take out the step or the condition that asks for it",
        ),
        "empty-value": Code(
            "The key has no value; write one, or remove the key.",
            "Write a value, or remove the key; the text `null` or `~` goes in quotes",
        ),
        "expected-text": Code(
            "One value was expected, and a list or a block of keys was found.",
            "Write one value in place of the list or block",
        ),
        "expected-list": Code("A list was expected.", "Write `[a, b]`, or a line with `- ` for each"),
        "expected-keys": Code(
            "A block of keys and values was expected.",
            "Write keys and values, indented under it; behind a colon stands a space",
        ),
        "bad-value": Code(
            "The value cannot be read as the type that the key has.",
            "Write it as the message says: the type and an example are told",
        ),
        "bad-format": Code("The text has not the form that the key asks for.", "Write it in the form that is told"),
        "bad-name": Code("A name has characters that names do not have.", "Use letters, digits, `-`, `_` and `.`"),
        "unknown-value": Code(
            "The value is not one of those that the key knows.", "Look at the guess, or at the values that are listed"
        ),
        "out-of-range": Code(
            "The value is smaller or larger than the key allows.", "Write a value within the limit that is told"
        ),
        "too-few": Code("The list or block needs more entries.", "Add what is missing, or remove the key"),
        "secret-literal": Code(
            "A secret stands in the file; refer to it by {env: NAME} or {file: PATH}.",
            "Take it out, change it if others could read the file, and write `{env: NAME}` or `{file: PATH}`",
        ),
        "secret-missing": Code(
            "A secret that the workspace refers to is not set, empty or unreadable.",
            "Set the variable, or write the file, where the engine runs",
        ),
        "secret-short": Code(
            "A secret has too few characters to be one.",
            "Have a good one made: `casecart init` does, and so does `openssl rand -hex 32`",
        ),
        "needs-restart": Code(
            "What only a start reads was changed under an engine that runs.",
            "Start the engine anew: it begins with what was applied",
        ),
        "store-earlier": Code(
            "A store was filled by a version whose keys were made in another way.",
            "Keep that store to read, and begin with a new one",
        ),
        "secret-changed": Code(
            "A secret that may never change is another than before.", "Bring the old secret back from its copy"
        ),
        "one-of": Code("Of several keys exactly one must be given.", "Keep one of the keys that are told, or add one"),
        "unhandled-empty": Code(
            "A source may be empty; required, optional or default must say what then.",
            "Write `required: true`, `optional: true` or `default: VALUE`",
        ),
        "unknown-step": Code("The step does not exist.", "Look at the guess, or at the steps that are listed"),
        "unknown-kind": Code(
            "No listener or destination of this kind is installed.",
            "Look at the guess; a kind of another package needs that package",
        ),
        "step-order": Code(
            "A step stands before the one that it needs.",
            "Bring the steps into the order that is told, or give the lines a channel of their own",
        ),
        "double-claim": Code(
            "Two channels take the same messages and post the same kind of thing: it would be told twice.",
            "Tell the two channels apart by `peers`, `from` or `accept`",
        ),
        "idle-policy": Code(
            "An entry of a policy can never act.",
            "Remove the entry, put it before the one that decides, or add the check that it is about to `verify`",
        ),
        "route-order": Code(
            "An entry of a route can never be reached.",
            "Put the entry before the one that takes every line, or remove it",
        ),
        "never-reached": Code(
            "An entry of a route asks what an earlier one asks.", "Change its condition, or remove it"
        ),
        "never-true": Code(
            "A condition compares a value with a text that it can never be.",
            "Compare with one of the values that are listed",
        ),
        "nothing-posted": Code(
            "A channel's route posts nothing.",
            "Add an entry with `post`; a channel that is only to hold may stay as it is",
        ),
        "unused-listener": Code("No channel takes from a listener.", "Name it under `from` of a channel, or remove it"),
        "unused-destination": Code(
            "Nothing is posted to a destination.", "Name it in a route, or remove it; one that is only asked may stay"
        ),
        "unused-mapping": Code(
            "No channel, or no destination, names a mapping.",
            "Name it in a step, write `spare: true` in it if it is kept for later, or remove it",
        ),
        "unused-table": Code("No mapping names a code table.", "Name it in a field, or remove it"),
        "unused-hook": Code("No channel names a hook's file.", "Name it in a step `hook`, or remove it"),
        "unused-bind": Code("No path takes anything from a name under bind.", "Name it in a path, or remove it"),
        # Names across files.
        "unknown-name": Code(
            "Nothing in the workspace has this name.", "Look at the guess, or at the names that are listed"
        ),
        "name-clash": Code(
            "Sources could mean either of two things that have this name.", "Give one of the two another name"
        ),
        "unknown-field": Code("The document has no such field.", "Look at the guess, or at the fields that are listed"),
        # Code tables.
        "table-header": Code(
            "The first line of a code table names its columns: code,value or code,value,about.",
            "Write `code,value` or `code,value,about` as the first line, with commas",
        ),
        "table-row": Code(
            "A row of a code table does not fit its header.",
            "Mend the row: as many cells as the header has, none empty, text with a comma in quotes",
        ),
        "duplicate-code": Code("A code stands twice in its table.", "Keep one of the two rows"),
        # What is written into a workspace for editors.
        "old-schema": Code(
            "The schemas by which editors complete and check are another casecart's.", "Run `casecart schema --write`"
        ),
        # Given by the rooms above that compile what the workspace holds.
        "bad-path": Code(
            "The path does not follow the grammar, or leads nowhere in this version.",
            "Mend the path at the column that is told",
        ),
        "hl7-version": Code(
            "The dictionary does not have this version of HL7.",
            "Write a version that is listed; nothing is looked up in another",
        ),
        "hl7-segment": Code(
            "HL7 has no such segment in this version.",
            "Look at the guess; what the sender has beyond HL7 goes under `beyond` of `reads`",
        ),
        "hl7-field": Code(
            "The segment has no such field in this version of HL7.",
            "Look at the number; a field that comes with a later version, or is the sender's own, goes under `beyond`",
        ),
        "hl7-component": Code(
            "The field's data type has no such component, or that no such subcomponent.",
            "Look at the number; a component that the sender has beyond HL7 goes under `beyond`",
        ),
        "hl7-repetition": Code(
            "A repetition of a field is named that HL7 does not let repeat.",
            "Take the brackets out; a field that this sender repeats all the same goes under `beyond`",
        ),
        "hl7-withdrawn": Code(
            "HL7 has withdrawn the field or component.",
            "Look which field has taken its place; one that this sender still sends goes under `beyond`",
        ),
        "hl7-message": Code(
            "The messages that the channel accepts have no such segment, or HL7 has no such message.",
            "Look at `accept` and at the segment; one that this sender adds goes under `beyond`",
        ),
        "hl7-beyond": Code(
            "What is said to be beyond the dictionary is not, or no path names it.", "Take it out of `beyond`"
        ),
        "interpreted-path": Code(
            "A FHIRPath is not compiled, but evaluated by a library, which is slower.",
            "Nothing, if messages are few; else say it by a table, or by a path that is compiled",
        ),
        "bad-expression": Code(
            "The expression does not follow the grammar, or its types do not fit.",
            "Mend the expression at the column that is told",
        ),
        "bad-template": Code("The template cannot be read.", "Mend the template at the line that is told"),
        "bad-hook": Code(
            "The hook's file is not Python, lacks its function, or cannot be loaded.",
            "Mend the file at the line that is told",
        ),
        "bad-certificate": Code(
            "A certificate, key or list of authorities can't be used.",
            "Put the right file in its place; a certificate that ends is renewed by whoever made it",
        ),
        "open-to-others": Code(
            "Other machines can reach what only few should.",
            "Listen on 127.0.0.1, or let a firewall or a proxy say who may",
        ),
        # The site, which only `check --env` looks at.
        "port-taken": Code(
            "Another process listens where a listener is to.",
            "End that process, or give the listener another port; `ss -ltnp` tells which it is",
        ),
        "address-unusable": Code(
            "This machine has not the address that a listener is to listen on, or may not listen there.",
            "Write an address of this machine; a port below 1024 needs the right to it",
        ),
        "store-unreachable": Code(
            "The store can't be opened.", "Look at the database server, at its address, and at the right of its user"
        ),
        "store-new": Code(
            "The store is not there yet.", "Nothing: `casecart run` makes it; `casecart migrate` does so now"
        ),
        "store-behind": Code(
            "The store's tables are of an earlier version.",
            "Back it up, then `casecart migrate`; `casecart run` does so too",
        ),
        "store-ahead": Code(
            "The store's tables are of a later version than this casecart.",
            "Install that version, or name another store",
        ),
        "not-reached": Code(
            "A destination or server gives no answer.", "Look whether it runs, at its address, and at firewalls between"
        ),
        "not-let-in": Code(
            "A destination or server answers, and does not let us in.",
            "Look at the key, token or password, and at its rights over there",
        ),
        "not-as-expected": Code(
            "A destination or server answers, and is not what the configuration says.",
            "Look at the address and at the settings of its kind",
        ),
        "folder-unusable": Code(
            "A folder can't be read or written.", "Make it, and let the user that runs casecart read and write there"
        ),
        "disk-low": Code(
            "Little room is left on a disk.", "Make room, or move the store; below the reserve nothing is taken in"
        ),
        "clock-off": Code(
            "The clock of this machine is not as it should be.",
            "Have it set by NTP; times in messages and certificates are compared with it",
        ),
    }
)
"""Every code that a finding of a workspace can have. The reference page is made from it, and so is what editors and
code review are told of a code."""
