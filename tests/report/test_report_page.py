"""The page of a study in a real browser, its network cut off: what a reader does works, and stays in the address."""

import json
import re

import pytest

pytestmark = pytest.mark.system
LEADING = "median@complex_TBP_planar_1_test"


@pytest.fixture
def small(page, small_page):
    page.open(small_page.as_uri())
    return page


def scores(study, name="complex_TBP_planar_1_test"):
    """Each finished run's ``median``, by which the page orders, by its id."""
    records = [json.loads(path.read_text()) for path in (study / "small").glob("*/run.json")]
    return {x["run_id"]: x["scores"][name]["median"] for x in records if x["state"] == "finished"}


def test_the_summary_tells_states_best_run_datasets_and_failures(small, small_study):
    known = scores(small_study)
    assert "32 finished" in small.text("#summary")
    assert "1 failed" in small.text("#summary")
    assert small.one("#best").text == min(known, key=lambda run: known[run])
    assert "complex_TBP_planar_10_test 10 orbits" in small.text("#summary")
    assert "no_segments" in small.text("#failed")
    assert "Shorten segment_length_strategy" in small.text("#failed")
    assert small.text("#shown") == "33 of 33 runs shown"


def test_nothing_is_loaded_from_anywhere(small, small_page):
    text = small_page.read_text()
    assert "default-src 'none'" in text
    assert not re.findall(r"<(?:link|script|img)[^>]+(?:href|src)=\"(?!data:,)", text)
    loaded = "return performance.getEntriesByType('resource').map((x) => x.name).filter((x) => !x.startsWith('data:'))"
    assert small.driver.execute_script(loaded) == []


def test_the_table_tells_near_from_far(small):
    titles = {header.get_attribute("data-sort") for header in small.all("#table [data-sort]")}
    assert {f"field{where}@complex_TBP_planar_10_test" for where in ("", "-near", "-far")} <= titles


def test_headers_sort_up_then_down_then_back(small, small_study):
    known = sorted(scores(small_study).values())
    small.driver.execute_script("document.querySelector('#table .scroller').style.height = '2000px'")
    first = [float(x) for x in small.column(LEADING)[:10]]
    assert first == pytest.approx(known[:10], rel=1e-3)
    small.click(f"[data-sort='{LEADING}']")
    assert [float(x) for x in small.column(LEADING)[:10]] == pytest.approx(known[::-1][:10], rel=1e-3)
    small.click("[data-sort='parameters.output_layer']")
    assert set(small.column("parameters.output_layer")[:10]) == {"mlp_4D_logmag_unit_exp"}
    assert small.one("th[aria-sort='ascending']").text.startswith("output_layer")


def test_columns_filter_by_text_and_by_number(small, small_study):
    small.type("[data-filter='parameters.output_layer']", "signed")
    assert small.text("#shown") == "17 of 33 runs shown"
    small.type("[data-filter='parameters.segment_length_strategy']", "<5")
    assert small.text("#shown") == "8 of 33 runs shown"
    assert set(small.column("parameters.segment_length_strategy")) == {"4"}
    small.type("[data-filter='parameters.segment_length_strategy']", "<=")
    assert (
        small.one("[data-filter='parameters.segment_length_strategy']").get_attribute("aria-invalid")
        == "true"
    )
    small.click("#clear")
    assert small.text("#shown") == "33 of 33 runs shown"
    low = sorted(scores(small_study).values())[4]
    small.type(f"[data-filter='{LEADING}']", f"0..{low:.6g}")
    assert small.text("#shown").startswith(("4 of", "5 of"))


def test_a_brush_on_an_axis_filters_table_and_plots(small):
    cells = len(small.all("#heat .cell"))
    strip = small.one("[data-axis='parameters.segment_length_strategy']")
    small.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", strip)
    # Over the upper half of the axis: of 4, 10 and 300 on a logarithmic scale only the failed run's 300.
    drag = """
        const [strip, box] = [arguments[0], arguments[0].getBoundingClientRect()];
        strip.setPointerCapture = () => {};
        const send = (kind, part) => strip.dispatchEvent(new PointerEvent(kind, {
          clientX: box.x + 5, clientY: box.top + 1 + part * box.height, bubbles: true, pointerId: 1 }));
        send('pointerdown', 0);
        send('pointermove', 0.3);
        send('pointerup', 0.3);
    """
    small.driver.execute_script(drag, strip)
    small.settle()
    assert small.text("#shown") == "1 of 33 runs shown"
    assert small.column("state") == ["failed"]
    assert len(small.all("#heat .cell")) < cells
    address = small.driver.current_url
    small.open(address)
    assert small.text("#shown") == "1 of 33 runs shown"


def test_axes_of_the_plots_are_chosen_on_the_page(small):
    small.choose("#heat [aria-label='x']", "feature_layer")
    small.choose("#heat [aria-label='y']", "output_layer")
    assert len(small.all("#heat .cell")) == 4
    small.choose("#heat [aria-label='facet']", "seed")
    assert len(small.all("#heat .facet")) == 2
    small.choose("#dots [aria-label='x']", "field D2 (%)")
    small.choose("#dots [aria-label='y']", "position% D1 (%)")
    titles = [x.text for x in small.all("#dots .title")]
    assert titles == ["field D2 (%)", "position% D1 (%)"]
    assert "dots.x=field" in small.driver.current_url


def test_a_run_opens_with_its_config_losses_errors_and_orbits(small):
    run = small.column("run_id")[2]
    small.click("#table tr[data-place='2']")
    assert run in small.text("#runs .chips")
    titles = [x.text.split()[0] for x in small.all("#runs > h3")]
    assert titles == ["Loss", "Error", "Orbits"]
    assert len(small.all("#runs figure svg")) == 2
    small.click("#runs details[data-part=config] summary")
    assert "parameters.batch_size 64" in small.text("#runs details[data-part=config]")


def test_a_failed_run_says_why(small):
    small.click("#failed .link")
    assert "no_segments" in small.text("#runs .failure")


def test_two_runs_compared_stay_after_a_reload(small):
    ids = small.column("run_id")
    for place in (0, 3):
        small.click(f"#table tr[data-place='{place}'] input")
    small.click("[data-sort='seconds']")
    small.type("[data-filter='state']", "fin")
    small.choose("#heat [aria-label='of each cell']", "least")
    text = small.text("#differences")
    assert "Differences in the config" in text
    before = (small.column("run_id"), text)
    small.driver.refresh()
    small.settle()
    assert [x.text for x in small.all("#runs .chips code")] == [ids[0], ids[3]]
    assert (small.column("run_id"), small.text("#differences")) == before
    assert small.one("[data-filter='state']").get_attribute("value") == "fin"
    assert small.one("#heat [aria-label='of each cell']").get_attribute("value") == "least"


def test_rows_are_reached_by_the_keyboard(small):
    small.driver.execute_script("document.querySelector('#table tr[tabindex=\"0\"]').focus()")
    keys = small.driver.switch_to.active_element
    keys.send_keys("\ue015")  # down
    small.driver.switch_to.active_element.send_keys("\ue007")  # enter
    small.settle()
    assert [x.text for x in small.all("#runs .chips code")] == [small.column("run_id")[1]]
    small.driver.switch_to.active_element.send_keys("\ue015")
    small.driver.switch_to.active_element.send_keys(" ")
    small.settle()
    assert len(small.all("#runs .chips code")) == 2


def test_an_address_that_means_nothing_opens_the_page(page, small_page):
    nonsense = "#sort=x&run=y&heat.x=z&heat.q=1&filter:none=1&brush:a=b&table=[&axes={}&q%3Cscript%3E"
    page.open(small_page.as_uri() + nonsense)
    assert page.text("#shown") == "33 of 33 runs shown"
