"""The page as people use it, in headless Chromium, on the checkpoint that ships."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from spacetime_attn import default_model, read_picture


selenium = pytest.importorskip("selenium", reason="selenium drives the browser: pip install selenium")
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException  # noqa: E402
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, ChromeService, Keys  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402


BROWSER, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
PROMPT = "a red apple to the left of a blue car"
PATIENCE = 120  # seconds until something that is waited for counts as missing
STEPS = 12


@pytest.fixture(scope="module", autouse=True)
def browser_is_there() -> None:
    """Where a browser is promised, one that is missing is a failure."""
    if not (BROWSER and DRIVER):
        told = "there is no chromium with its chromedriver here (Debian: apt install chromium chromium-driver)"
        pytest.fail(told) if os.environ.get("SPACETIME_ATTN_BROWSER") else pytest.skip(told)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a page that is served as the command does it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = "import sys; from spacetime_attn.cli import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", command, "app", "--port", str(port)]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        told = server.stdout.readline()
        assert f"http://127.0.0.1:{port}" in told
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


class Visitor:
    """Somebody with a browser of their own."""

    def __init__(self, address: str, downloads: Path, width: int = 1280, height: int = 1000):
        options = ChromeOptions()
        options.binary_location = BROWSER
        for word in ("headless=new", "no-sandbox", "disable-dev-shm-usage", f"window-size={width},{height}"):
            options.add_argument(f"--{word}")
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.chrome, self.address, self.downloads = Chrome(options, ChromeService(DRIVER)), address, downloads

    def open(self, theme: str = "light") -> "Visitor":
        self.chrome.get(f"{self.address}/?__theme={theme}")
        self.find("#prompt textarea")
        return self

    def until(self, condition: Callable):
        """What a condition gives once it gives something."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                if found := condition():
                    return found
            except (StaleElementReferenceException, WebDriverException) as error:
                last = error
            else:
                last = None
            assert time.monotonic() < end, last or "this has not come about"
            time.sleep(0.1)

    def all(self, selector: str) -> list:
        return [found for found in self.chrome.find_elements(By.CSS_SELECTOR, selector) if found.is_displayed()]

    def find(self, selector: str, text: str = ""):
        return self.until(lambda: next((found for found in self.all(selector) if text in found.text), None))

    def click(self, selector: str, text: str = "") -> None:
        def clicked() -> bool:
            found = self.find(selector, text)
            self.chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
            found.click()
            return True

        self.until(clicked)

    def type(self, selector: str, text: str) -> None:
        field = self.find(selector)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text)

    def labels(self) -> list[str]:
        return [label.text for label in self.all("#canvas .label")]

    def boxes(self) -> list[tuple[float, ...]]:
        """Left, top, right and bottom in shares of the picture."""
        frame = self.find("#canvas .stage").rect
        sides = ((box.rect, frame) for box in self.all("#canvas .region"))
        return [
            tuple(
                (side - start) / length
                for side, start, length in (
                    (rect["x"], frame["x"], frame["width"]),
                    (rect["y"], frame["y"], frame["height"]),
                    (rect["x"] + rect["width"], frame["x"], frame["width"]),
                    (rect["y"] + rect["height"], frame["y"], frame["height"]),
                )
            )
            for rect, frame in sides
        ]

    def drag(self, found, across: float, down: float) -> None:
        """By shares of the picture."""
        frame = self.find("#canvas .stage").rect
        self.chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", self.find("#canvas .stage"))
        pixels = round(across * frame["width"]), round(down * frame["height"])
        hand = ActionChains(self.chrome, duration=50)
        hand.click_and_hold(found).move_by_offset(*(n // 2 for n in pixels))
        hand.move_by_offset(*(n - n // 2 for n in pixels)).release().perform()

    def read(self, prompt: str = PROMPT, objects: int = 2) -> None:
        self.type("#prompt textarea", prompt)
        self.until(lambda: len(self.labels()) == objects)

    def draw(self, steps: int = STEPS) -> str:
        """Draws; the address of the picture."""
        before = self.picture()
        self.type("#steps input", str(steps))
        self.click("#draw")
        self.until(lambda: self.picture() not in ("", before))
        self.find("#draw:not([disabled])")
        return self.picture()

    def picture(self) -> str:
        return next((image.get_attribute("src") for image in self.all("#picture img")), "")

    def notices(self) -> str:
        return "\n".join(found.text for found in self.all(".toast-body"))

    def download(self) -> Path:
        before = set(self.downloads.glob("*.png"))
        self.click("#download")
        return self.until(lambda: next(iter(set(self.downloads.glob("*.png")) - before), None))


@pytest.fixture
def visit(address, tmp_path) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors, each with the page open."""
    visitors = []

    def come(**options) -> Visitor:
        visitors.append(Visitor(address, tmp_path, **options))
        return visitors[-1].open()

    yield come
    for visitor in visitors:
        visitor.chrome.quit()


def judged(picture: Path) -> dict[str, tuple[float, float]]:
    """The middle of each thing that the lab's judge sees."""
    from spacetime_attn.examples.icon_world.judge import IconJudge

    judge = IconJudge.from_pretrained(Path(default_model()).parent / "judge").eval()
    [found] = judge.detect([Image.open(picture)])
    return {thing.category: ((thing.box[0] + thing.box[2]) / 2, (thing.box[1] + thing.box[3]) / 2) for thing in found}


def test_a_prompt_is_read_its_box_dragged_drawn_downloaded_and_dropped_again(visit):
    visitor = visit()
    visitor.read()
    assert visitor.labels() == ["a red apple", "a blue car"]
    assert "a red apple left of a blue car" in visitor.find("#told").text

    before = visitor.boxes()
    visitor.drag(visitor.all("#canvas .region")[0], 0.1, -0.25)
    visitor.until(lambda: visitor.boxes()[0][1] < before[0][1] - 0.2)
    moved = visitor.boxes()
    assert moved[1] == pytest.approx(before[1], abs=0.01)
    assert moved[0] == pytest.approx([before[0][n] + (0.1, -0.25)[n % 2] for n in range(4)], abs=0.02)

    visitor.draw()
    file = visitor.download()
    left, top, right, bottom = moved[0]
    x, y = judged(file)["apple"]
    assert x == pytest.approx((left + right) / 2, abs=0.1) and y == pytest.approx((top + bottom) / 2, abs=0.1)
    assert read_picture(file).layout[0].bounds == pytest.approx(moved[0], abs=0.01)

    visitor.open()
    assert visitor.labels() == []
    visitor.chrome.find_element(By.CSS_SELECTOR, "#file input[type=file]").send_keys(str(file))
    visitor.until(lambda: len(visitor.labels()) == 2)
    assert visitor.find("#prompt textarea").get_attribute("value") == PROMPT
    assert visitor.boxes()[0] == pytest.approx(moved[0], abs=0.01)
    assert visitor.find("#steps input").get_attribute("value") == str(STEPS)
    visitor.until(visitor.picture)
    visitor.draw()
    again = visitor.download()
    assert Image.open(again).tobytes() == Image.open(file).tobytes()
