"""How Sphinx builds the site: `make docs` writes it to build/docs."""

from palate import __version__

project = "palate"
release = __version__
extensions = ["myst_parser", "sphinx_copybutton"]
nitpicky = True

myst_heading_anchors = 4
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

html_theme = "furo"
html_title = f"palate {release}"
html_static_path = ["_static"]
html_css_files = ["palate.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
