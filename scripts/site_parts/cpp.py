"""The reference of include/flash, by Doxygen."""


def configure(root, stage):
    settings = {
        "PROJECT_NAME": "Flash", "PROJECT_BRIEF": '"Private inference for deep CNNs"',
        "OUTPUT_DIRECTORY": stage / "doxygen",
        "INPUT": root / "include", "STRIP_FROM_PATH": root / "include", "STRIP_FROM_INC_PATH": root / "include",
        "FILE_PATTERNS": "*.h", "RECURSIVE": "YES", "EXTRACT_ALL": "YES", "JAVADOC_AUTOBRIEF": "YES",
        "GENERATE_LATEX": "NO", "QUIET": "YES", "WARN_AS_ERROR": "FAIL_ON_WARNINGS", "WARN_IF_UNDOCUMENTED": "NO",
        "WARN_NO_PARAMDOC": "NO", "SORT_MEMBER_DOCS": "NO", "DISABLE_INDEX": "NO", "GENERATE_TREEVIEW": "NO",
        "VERBATIM_HEADERS": "NO", "SEARCHENGINE": "NO", "HAVE_DOT": "NO", "CLASS_GRAPH": "NO", "HTML_TIMESTAMP": "NO",
        "HTML_COLORSTYLE_HUE": 230,
        # The first lines of a header, which say what it is for and how it is used, are its description.
        "INPUT_FILTER": f'"python3 {root}/scripts/site_parts/header_comment.py"',
    }
    (stage / "Doxyfile").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
