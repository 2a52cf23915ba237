"""The constructions that the style sheet forbids, as regular expressions with a hint for each.

They match within one paragraph, whose line breaks are spaces. A false positive costs a contributor
more than a missed sentence, so the common legitimate uses of a phrase are excluded.
"""

from collections.abc import Mapping

_START = r"(?:^|(?<=[.;:|] ))"
_BE = r"(?:is|are|was|were)"
_UNIT = (
    "(?:account|alarm|attempt|call|campaign|cycle|day|device|event|execution|failure|file|fleet"
    "|function|group|handler|hour|item|line|message|minute|module|month|node|page|pass|record|region"
    "|request|row|run|second|seed|session|state|step|subject|table|test|thing|topic|trace|week|year)"
)
_COUNT = r"(?:one|two|three|four|five|six|eight|ten|half an?|N|\$?\d[\d,.]*)"
_NOT_A_NOUN = (
    "(?:after|and|are|as|at|before|by|for|from|if|in|is|moment|not|of|on|or|per|than|that|time|to"
    "|until|was|when|while|with)"
)
_VERB = (
    f"(?:{_BE}|has|have|had|may|must|can|comes?|runs?|wants?|looks?|asks?|resumes?|needs?|plans?"
    "|tells?|holds?)"
)

RULES: Mapping[str, str] = {
    r"\b(?:is|was|be|are) said\b|\bsays? so\b|\bsays (?:which|that|why|what|when|where|who)\b": (
        "name the fact or who documents it"
    ),
    r"\btells? of\b|\btold of\b|\b(?:is|are|was|were|be|been) told\b|\btells? by\b": (
        "operators are notified; a value shows or reports"
    ),
    rf"{_START}(?:What|Who|Whoever|Whose|Whom|Of (?:an?|what|these|the (?!\d)))"
    r" [a-z][^.?!]*[.;:]": ("begin with a noun, not with a clause"),
    rf"(?:{_START}|\b(?:for|to|and|but) )(?:who|whom|whoever) {_VERB}\b": (
        "name the person: the operator who, a team that"
    ),
    r"\banew\b": "again",
    r"\bmeanwhile\b": "during this time",
    r"(?<!\bare )\ball the same\b": "anyway, still",
    r"\bas good as\b": "almost",
    rf"\b{_BE} none of\b": "say what it is, or that it is not one",
    r"(?<!\ball )(?<!\btwo )(?<!\bmany )(?<!\bseveral )(?<!\beverything )\bat once\b": (
        "immediately, or simultaneously"
    ),
    rf"(?<!aim )(?<!goal )(?<!job )(?<!purpose )(?<!task )\b{_BE} to (?:be|have|come|go|end|return"
    r"|move|leave|tell|take|stay|mail|become|belong|get|say)\b": "must, will, or should",
    r", too(?=[.,;:)]|$| (?:and|but|if|when|where|which|who)\b)": "also, before the verb",
    r"\btakes? (?:no )?notice\b": "ignores, or handles",
    r"\bpeople (?:are|were|get) (?:told|mailed|called)\b": "operators are notified",
    r"\bgoes? on its way\b|\bon (?:its|their) way again\b": "continues",
    r"\bdeaths?\b|\b(?:it|process|run|step|that|function|worker) (?:dies|died)\b": (
        "a process crashes or is interrupted"
    ),
    r"(?<!digital )\btwins?\b": "concurrent duplicate, stale worker",
    rf"\b{_COUNT} (?:(?!{_NOT_A_NOUN}\b)[A-Za-z]+ )?an? {_UNIT}\b"
    rf"|\ban? (?!{_NOT_A_NOUN}\b)[a-z]+ an? {_UNIT}(?=[.,;:)]|$| (?:and|at|in|on|or)\b)": (
        "per: one message per run"
    ),
}
