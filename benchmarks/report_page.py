"""The report page of synthetic studies: bytes a run, and seconds until a browser has drawn all of it.

``python -m benchmarks.report_page [576 6000]`` writes ``/tmp/keplearn-report-N.html``; with selenium and Chromium
there, it opens them and says how long that takes.
"""

import sys
from pathlib import Path

import numpy as np

from keplearn.data.dataset import load_dataset
from keplearn.report.content import Content, Shown, column, metric_facts
from keplearn.report.numbers import rounded
from keplearn.report.orbits import choose_orbits
from keplearn.report.page import render

FEATURES = ["sph_4D_rinv", "sph_4D_rinv_vel", "log_radius", "sph_9D", "cart_6D", "fourier_16"]
HEADS = ["mlp_4D_signed", "mlp_4D_logmag_unit_exp", "mlp_rtn", "mlp_simple"]
TESTS = ("complex_TBP_planar_1_test", "complex_TBP_planar_100_test")
STEPS, VALIDATED = list(range(50, 4000, 100)), list(range(100, 4000, 125))


def synthetic_study(count: int, seed: int = 0) -> Content:
    """A study of so many runs, as large as real ones get: 2000 + 2000 steps, 101 test orbits, two of them drawn."""
    rng = np.random.default_rng(seed)
    tests = choose_orbits({name: load_dataset(name) for name in TESTS})
    text = {
        "parameters.feature_layer": rng.choice(FEATURES, count),
        "parameters.output_layer": rng.choice(HEADS, count),
        "parameters.activation": rng.choice(["tanh", "gelu", "leaky_relu"], count),
        "data.dataset_name": rng.choice([f"complex_TBP_planar_{k}_train" for k in (1, 10, 100)], count),
    }
    number = {
        "parameters.width": rng.choice([16, 32, 64, 128], count),
        "parameters.segment_length_strategy": rng.choice([4, 9, 18], count),
        "parameters.lr_strategy": rng.choice([0.01, 0.001, 0.0001], count),
        "parameters.seed": rng.integers(0, 3, count),
    }
    failed = rng.random(count) < 0.03
    size = 3 * np.exp(rng.normal(size=count)) * (1 + 4 * (number["parameters.width"] < 32))
    size = (
        size
        * np.array([1.0, 0.4, 0.7, 2.5, 6.0, 1.5])[
            [FEATURES.index(x) for x in text["parameters.feature_layer"]]
        ]
    )
    size = size * np.array([1.0, 0.3, 0.6, 3.0])[[HEADS.index(x) for x in text["parameters.output_layer"]]]
    ids = [f"{k:016x}" for k in rng.integers(0, 2**62, count)]
    columns = [
        column("run_id", "run", "state", ids),
        column("state", "state", "state", ["failed" if x else "finished" for x in failed]),
        column("kind", "failure", "state", ["diverged" if x else None for x in failed]),
        column(
            "reason",
            "reason",
            "state",
            ["the loss is not finite after step 31" if x else None for x in failed],
        ),
        *(
            column(key, key.partition(".")[2], "parameter", [str(x) for x in values])
            for key, values in text.items()
        ),
        *(column(key, key.partition(".")[2], "parameter", values.tolist()) for key, values in number.items()),
    ]
    for k, name in enumerate(TESTS):
        for j, key in enumerate(("mean", "field", "theta-deg", "radial%", "median", "std", "q1", "q3", "max",
                                 "position%", "energy-drift", "momentum-drift", "skewness", "diverged")):  # fmt: skip
            values = rounded(size * (1 + 0.3 * k + 0.1 * j) * np.exp(0.2 * rng.normal(size=count)), 5)
            values = [None if gone else value for gone, value in zip(failed, values, strict=True)]
            columns.append(
                column(f"{key}@{name}", f"{key} D{k + 1}", "metric", values, **metric_facts(key, k))
            )
    seconds = [round(float(x), 2) for x in rng.gamma(4, 8, count)]
    columns.append(column("seconds", "seconds", "summary", seconds, unit="s"))
    head = {
        "group": f"synthetic-{count}", "made": "2026-01-01 00:00 UTC", "columns": columns,
        "common": {"parameters.depth": "2", "parameters.batch_size": "256"},
        "datasets": [test.head() for test in tests],
        **Shown().head(),
        "losses": [{"steps": STEPS, "ends": [2000, 4000], "validated": VALIDATED}],
        "remarks": [],
    }  # fmt: skip
    truths = [
        np.array(drawn["path"]).reshape(-1, 2)[::2] for test in head["datasets"] for drawn in test["drawn"]
    ]
    return Content(head, [_detail(rng, x, gone, tests, truths) for x, gone in zip(size, failed, strict=True)])


def _detail(rng, size, failed, tests, truths):
    if failed:
        return {}
    curve = size * (0.3 + np.exp(-np.arange(len(STEPS)) / 8)) * np.exp(0.05 * rng.normal(size=len(STEPS)))
    validation = 1.1 * np.interp(VALIDATED, STEPS, curve)
    paths = []
    for number, test in enumerate(truths):
        wobble = 1 + min(0.3, size / 100) * np.sin(np.linspace(0, 3 + number, len(test)))
        paths.append((test * wobble[:, None]).round().astype(int).ravel().tolist())
    return {
        "kind": 0,
        "loss": rounded(curve, 4), "low": rounded(0.9 * curve, 3), "high": rounded(1.2 * curve, 3),
        "val": rounded(validation, 4),
        "errors": [rounded(size * np.exp(0.5 * rng.normal(size=len(test.kept))), 3) for test in tests],
        "paths": paths,
    }  # fmt: skip


def seconds_to_open(path: Path) -> tuple[float, float]:
    """Seconds until the page's first picture is complete, and for a filter to be drawn."""
    import tempfile

    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    flags = "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    for flag in (*flags.split(), "--disable-component-update", "--disable-sync", "--window-size=1280,940"):
        options.add_argument(flag)
    with tempfile.TemporaryDirectory() as profile:
        options.add_argument(f"--user-data-dir={profile}")
        driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        try:
            driver.get(path.as_uri())
            drawn = "const done = arguments[0]; requestAnimationFrame(() => setTimeout(() => done(performance.now())))"
            opened = driver.execute_async_script(drawn)
            filtered = driver.execute_async_script(
                "const done = arguments[0], start = performance.now();"
                "const input = document.querySelector('[data-filter=\"parameters.width\"]');"
                "input.value = '>20'; input.dispatchEvent(new Event('input'));"
                "requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));"
            )
            return opened / 1000, filtered / 1000
        finally:
            driver.quit()


def main() -> None:
    """Write the pages, and time them where there is a browser."""
    for count in map(int, sys.argv[1:] or ("576", "6000")):
        path = Path(f"/tmp/keplearn-report-{count}.html")
        empty = len(render(synthetic_study(1)))
        path.write_text(render(synthetic_study(count)), encoding="utf-8")
        size = path.stat().st_size
        print(
            f"{count} runs: {size / 1e6:.2f} MB, {(size - empty) / count:.0f} bytes a run", end="", flush=True
        )
        try:
            opened, filtered = seconds_to_open(path)
            print(f", drawn after {opened:.2f} s, filtered anew in {filtered:.3f} s")
        except ImportError:
            print(" (no selenium: not opened)")


if __name__ == "__main__":
    main()
