r"""Every page of the built book, opened by a double click on the file: no server, no network."""

import pytest
from built import HTML, PAGES, READ, opened
from test_built_book import EVERY, check


@pytest.mark.parametrize("name", EVERY)
def test_a_page_opens_from_a_folder_without_a_server(name, chromium):
    with opened(chromium, (HTML / name).as_uri(), "file:///") as (page, off_host, errors, _):
        assert off_host == [] and errors == []
        if name in PAGES:
            check(page.evaluate(READ), PAGES[name])
