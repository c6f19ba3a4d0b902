"""
How long the page takes, in headless Chromium on the checkpoint that ships, and the memory of its server:

    python examples/page_figures.py
    python examples/page_figures.py --pictures 50

Needs Debian's chromium and chromium-driver, and `pip install ".[test]"`.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import psutil


PROMPT = "a red apple to the left of a blue car"
PATIENCE = 600  # seconds

# Notes when the last key was pressed, and when a box of the whole phrase was there.
WATCH = """
    window.times = {};
    document.querySelector("#prompt textarea").addEventListener("keydown", () => { times.key = performance.now(); });
    new MutationObserver(() => {
        const labels = [...document.querySelectorAll("#canvas .label")].map((label) => label.textContent);
        if (labels.includes("a blue car")) times.box ??= performance.now();
    }).observe(document.querySelector("#canvas"), { subtree: true, childList: true });
"""


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=10, help="drawn one after the other (default: %(default)s)")
    pictures = parser.parse_args().pictures
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = "import sys; from spacetime_attn.cli import main; sys.exit(main(sys.argv[1:]))"
    start = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-c", command, "app", "--port", str(port)], stdout=subprocess.PIPE, text=True
    )
    try:
        if not server.stdout.readline():
            sys.exit("The page has not started.")
        print(f"page ready after the command: {time.perf_counter() - start:.1f} s")
        measure(f"http://127.0.0.1:{port}", server.pid, pictures)
    finally:
        server.terminate()


def measure(address: str, server: int, pictures: int) -> None:
    """What happens on the page."""
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService
    from selenium.webdriver.common.by import By

    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or sys.exit("There is no chromium.")
    for word in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=1280,1000"):
        options.add_argument(f"--{word}")
    with Chrome(options, ChromeService(shutil.which("chromedriver"))) as browser:
        browser.get(address)

        def find(selector: str):
            return until(lambda: next(iter(browser.find_elements(By.CSS_SELECTOR, selector)), None))

        def picture() -> str:
            shown = browser.find_elements(By.CSS_SELECTOR, "#picture img")
            return shown[0].get_attribute("src") if shown else ""

        field = find("#prompt textarea")
        find("#canvas .stage")
        browser.execute_script(WATCH)
        field.send_keys(PROMPT)
        until(lambda: browser.execute_script("return times.box"))
        took = browser.execute_script("return times.box - times.key")
        print(f"boxes after the last key: {took / 1000:.2f} s")
        process, memory = psutil.Process(server), []
        for number in range(1, pictures + 1):
            before, start = picture(), time.perf_counter()
            find("#draw:not([disabled])").click()
            until(lambda before=before: picture() not in ("", before))
            if number == 1:
                print(f"first picture after the click: {time.perf_counter() - start:.1f} s")
            memory.append(process.memory_info().rss >> 20)
        shown = ", ".join(f"{memory[n]} ({n + 1})" for n in sorted({0, *range(4, pictures, 5), pictures - 1}))
        print(f"memory of the server in MB after so many pictures: {shown}")


def until(found: Callable):
    """What is found, once it is there."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.02)
    sys.exit("The page does not do what is measured.")


if __name__ == "__main__":
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    main()
