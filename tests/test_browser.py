"""The page as people use it, in headless Chromium, on the checkpoint that ships."""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from diffusers import UNet2DConditionModel
from PIL import Image
from test_loaded_adapters import save_ip_adapter

from spacetime_attn import Layout, Region, default_model, read_picture


IS_PROMISED = bool(os.environ.get("SPACETIME_ATTN_BROWSER"))  # what is missing then is a failure
if not IS_PROMISED:
    pytest.importorskip("selenium", reason="selenium drives the browser: pip install selenium")
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException  # noqa: E402
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, ChromeService, Keys  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402


BROWSER, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
PROMPT = "a red apple to the left of a blue car"
PATIENCE = 300  # seconds until something that is waited for counts as missing
STEPS = 12


@pytest.fixture(scope="module", autouse=True)
def browser_is_there() -> None:
    """Or the tests are skipped; where one is promised, they fail."""
    if not (BROWSER and DRIVER):
        told = "there is no chromium with its chromedriver here (Debian: apt install chromium chromium-driver)"
        pytest.fail(told) if IS_PROMISED else pytest.skip(told)


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    """Of a page that is served as the command does it, with a random IP-Adapter."""
    adapter = tmp_path_factory.mktemp("adapter")
    save_ip_adapter(UNet2DConditionModel.from_pretrained(default_model(), subfolder="unet"), adapter)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = "import sys; from spacetime_attn.cli import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", command, "app", "--port", str(port), "--ip-adapter", str(adapter)]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        told = server.stdout.readline()
        assert f"http://127.0.0.1:{port}" in told
        yield f"http://127.0.0.1:{port}"
        server.terminate()
        assert server.wait() == 0
    finally:
        server.kill()


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
        script = "return [...document.querySelectorAll('#canvas .label')].map((label) => label.textContent)"
        return self.chrome.execute_script(script)

    def boxes(self) -> list[list[float]]:
        """Left, top, right and bottom in shares of the picture."""
        script = """
            const frame = document.querySelector("#canvas .stage").getBoundingClientRect();
            return [...document.querySelectorAll("#canvas .region")].map((region) => {
                const { left, top, right, bottom } = region.getBoundingClientRect();
                const [across, down] = [(x) => (x - frame.left) / frame.width, (y) => (y - frame.top) / frame.height];
                return [across(left), down(top), across(right), down(bottom)];
            });
        """
        return self.chrome.execute_script(script)

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

    def drop(self, file: Path) -> None:
        """On the field for pictures made here."""
        self.chrome.find_element(By.CSS_SELECTOR, "#file input[type=file]").send_keys(str(file))

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
    visitor.read("a cat", 1)
    visitor.drop(file)
    visitor.until(lambda: len(visitor.labels()) == 2)
    assert visitor.find("#prompt textarea").get_attribute("value") == PROMPT
    assert visitor.boxes()[0] == pytest.approx(moved[0], abs=0.01)
    assert visitor.find("#steps input").get_attribute("value") == str(STEPS)
    visitor.until(visitor.picture)
    visitor.draw()
    again = visitor.download()
    assert Image.open(again).tobytes() == Image.open(file).tobytes()
    visitor.click("button", "Undo")
    visitor.until(lambda: visitor.labels() == ["a cat"])
    assert visitor.find("#prompt textarea").get_attribute("value") == "a cat"


def test_boxes_stay_where_they_were_put_until_the_prompt_names_other_objects(visit):
    visitor = visit()
    visitor.read()
    before = visitor.boxes()
    visitor.drag(visitor.all("#canvas .region")[1], 0.0, 0.3)
    visitor.until(lambda: visitor.boxes()[1][1] > before[1][1] + 0.2)
    moved = visitor.boxes()
    visitor.find("#prompt textarea").send_keys(" in a green meadow, highly detailed")
    visitor.until(lambda: "a green meadow (place)" in visitor.find("#told").text)
    assert visitor.boxes() == moved and not visitor.all("#question")

    visitor.type("#prompt textarea", "a red apple to the left of a green bus")
    visitor.find("#question")
    assert visitor.boxes() == moved
    visitor.click("#draw")
    visitor.until(lambda: "choose below the prompt what becomes of these first" in visitor.notices())
    assert visitor.find("#draw").is_enabled() and visitor.picture() == ""
    visitor.click("#question button", "Keep my boxes")
    visitor.until(lambda: visitor.labels() == ["a red apple", "a green bus"])
    visitor.click("button", "Undo")
    visitor.until(lambda: visitor.labels() == ["a red apple", "a blue car"])
    assert visitor.boxes() == moved
    visitor.click("button", "Undo")
    visitor.until(lambda: visitor.boxes() == before)


def test_what_is_deleted_cut_and_pasted_is_read(visit):
    visitor = visit()
    visitor.read(f"{PROMPT} beside a tree", 3)
    prompt = visitor.find("#prompt textarea")
    prompt.send_keys(Keys.BACKSPACE * len(" beside a tree"))
    visitor.until(lambda: visitor.labels() == ["a red apple", "a blue car"])
    prompt.send_keys(Keys.CONTROL, "ax")
    visitor.until(lambda: visitor.labels() == [])
    prompt.send_keys(Keys.CONTROL, "v")
    visitor.until(lambda: visitor.labels() == ["a red apple", "a blue car"])


def test_sliders_that_keys_move_act(visit):
    visitor = visit()
    visitor.read()
    visitor.click("#canvas .label", "a red apple")
    visitor.click("#region button")
    visitor.find("#region input[type=range]").send_keys(Keys.ARROW_RIGHT * 10)
    visitor.draw(1)
    assert [region.strength for region in read_picture(visitor.download()).layout] == [1.1, 1.0]
    visitor.click("button", "How objects are placed")
    visitor.click("label", "transformer, learned")
    likeliest = visitor.boxes()
    visitor.find("input[aria-label*=temperature][type=range]").send_keys(Keys.ARROW_RIGHT * 10)
    visitor.until(lambda: visitor.boxes() != likeliest)


def test_objects_are_struck_and_added(visit):
    visitor = visit()
    visitor.read("a red apple beside a blue car, soft light")
    visitor.click("#objects label", "a blue car")
    visitor.until(lambda: visitor.labels() == ["a red apple"])
    visitor.type("#addition input, #addition textarea", "light\n")
    visitor.until(lambda: visitor.labels() == ["a red apple", "light"])
    visitor.click("#objects label", "a blue car")
    visitor.until(lambda: len(visitor.labels()) == 3)
    visitor.type("#addition input, #addition textarea", "giraffe\n")
    visitor.until(lambda: "does not stand in the prompt" in visitor.notices())


def test_a_region_is_renamed_resized_sent_back_deleted_and_a_new_one_drawn(visit):
    visitor = visit()
    visitor.read()
    visitor.click("#canvas .label", "a blue car")
    before = visitor.boxes()
    visitor.drag(visitor.find("#canvas .handle.se"), 0.08, 0.12)
    visitor.until(lambda: visitor.boxes()[1][3] > before[1][3] + 0.05)
    assert visitor.boxes()[1] == pytest.approx([*before[1][:2], before[1][2] + 0.08, before[1][3] + 0.12], abs=0.02)
    visitor.click("#region button")
    visitor.type("#phrase textarea, #phrase input", "a green boat")
    visitor.until(lambda: visitor.labels() == ["a red apple", "a green boat"])

    def depth(index: int) -> int:
        return int(visitor.all("#canvas .region")[index].value_of_css_property("z-index"))

    before = depth(1)
    visitor.click("button", "To back" if depth(1) > depth(0) else "To front")
    visitor.until(lambda: depth(1) != before)

    stage = visitor.find("#canvas .stage")
    visitor.chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", stage)
    hand = ActionChains(visitor.chrome, duration=50).move_to_element_with_offset(stage, -200, 150).click_and_hold()
    hand.move_by_offset(60, 40).move_by_offset(60, 30).release().perform()
    visitor.until(lambda: visitor.labels()[2:] == ["something"])
    visitor.find("#canvas .region.selected").send_keys(Keys.DELETE)
    visitor.until(lambda: len(visitor.labels()) == 2)


def test_a_mask_is_drawn_in_the_place_of_a_box(visit):
    visitor = visit()
    visitor.read()
    visitor.click("#canvas .label", "a red apple")
    visitor.click("#region button")
    visitor.click("#masking button")
    visitor.click("#mask button[aria-label=Brush]")
    surface = visitor.find("#mask canvas")
    visitor.chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", surface)
    hand = ActionChains(visitor.chrome, duration=100).move_to_element_with_offset(surface, -60, -40).click_and_hold()
    hand.move_by_offset(40, 0).move_by_offset(0, 40).release().perform()
    visitor.click("button", "Take this mask")
    region = visitor.find("#canvas .region.mask")
    shape = visitor.find("#canvas .shape")
    assert shape.value_of_css_property("z-index") == region.value_of_css_property("z-index")
    left, top, right, bottom = visitor.boxes()[0]
    assert right - left < 0.5 and bottom - top < 0.5
    visitor.click("button", "Back to a box")
    visitor.until(lambda: not visitor.all("#canvas .region.mask"))
    assert visitor.boxes()[0] == pytest.approx((left, top, right, bottom), abs=0.02)


def test_a_region_gets_a_picture_and_loses_it(visit, tmp_path):
    visitor = visit()
    visitor.read()
    visitor.click("#canvas .label", "a blue car")
    visitor.click("#region button")
    Image.new("RGB", (40, 30), "red").save(tmp_path / "car.jpg")
    visitor.find("#region_picture button")
    upload = visitor.chrome.find_element(By.CSS_SELECTOR, "#region_picture input[type=file]")
    upload.send_keys(str(tmp_path / "car.jpg"))
    visitor.find("#region_picture img")
    visitor.draw(2)
    making = read_picture(visitor.download())
    assert making.layout[1].image.size == (40, 30) and making.adapters == {"IP-Adapter": 1.0}
    visitor.click("#region_picture button[aria-label='Remove Image']")
    visitor.until(lambda: not visitor.all("#region_picture img"))
    visitor.draw(3)
    making = read_picture(visitor.download())
    assert making.layout[1].image is None and making.adapters == {}


def test_a_run_is_cancelled_and_another_drawn(visit):
    visitor = visit()
    visitor.read()
    visitor.type("#steps input", "200")
    visitor.click("#draw")
    visitor.until(lambda: re.search(r"step [1-9]\d* of", visitor.find("#progress").text))
    assert not visitor.find("#draw").is_enabled()
    visitor.click("#cancel")
    visitor.find("#note", "Cancelled")
    visitor.find("#draw:not([disabled])")
    assert visitor.draw(2)


def test_a_run_that_waits_for_its_turn_is_cancelled_at_once(visit):
    first, second = visit(), visit()
    for visitor in (first, second):
        visitor.read()
        visitor.type("#steps input", "200")
    first.click("#draw")
    first.until(lambda: re.search(r"step [1-9]\d* of", first.find("#progress").text))
    second.click("#draw")
    second.find("#progress", "waiting for its turn")
    second.click("#cancel")
    second.find("#note", "Cancelled")
    assert "step" in first.find("#progress").text
    second.type("#steps input", "2")
    second.click("#draw")
    second.find("#progress", "waiting for its turn")
    first.click("#cancel")
    assert second.until(second.picture)
    second.find("#draw:not([disabled])")


def test_what_cannot_be_drawn_is_told(visit, tmp_path):
    visitor = visit()
    visitor.click("#draw")
    visitor.until(lambda: "Type a prompt first" in visitor.notices())
    visitor.read()
    visitor.type("#width input", "60")
    visitor.click("#draw")
    visitor.until(lambda: "divisible by 8" in visitor.notices())
    visitor.type("#width input", "99999")
    visitor.click("#draw")
    visitor.until(lambda: "whole number in 8..2048" in visitor.notices())
    (tmp_path / "foreign.png").write_bytes(b"no picture")
    visitor.drop(tmp_path / "foreign.png")
    visitor.until(lambda: "is no PNG that can be read" in visitor.notices())
    visitor.type("#width input", "64")
    assert visitor.draw(2)


def test_two_visitors_draw_at_once_and_each_gets_their_own(visit):
    first, second = visit(), visit()
    first.read()
    second.read("a yellow bird above a green bus")
    for visitor in (first, second):
        visitor.type("#steps input", str(STEPS))
        visitor.click("#draw")
    for visitor in (first, second):
        visitor.until(visitor.picture)
    assert first.labels() == ["a red apple", "a blue car"] and second.labels() == ["a yellow bird", "a green bus"]
    assert {"apple", "car"} <= judged(first.download()).keys()
    assert {"bird", "bus"} <= judged(second.download()).keys()


def test_several_pictures_are_compared_with_plain_sampling(visit):
    visitor = visit()
    visitor.read()
    visitor.type("#pictures input[type=number]", "2\t")
    visitor.click("#compare input")
    first = visitor.draw(4)
    visitor.until(lambda: len(visitor.all("#gallery img")) == 2 and len(visitor.all("#slider img")) == 2)
    visitor.until(lambda: "Seed 0" in visitor.find("#note").text)
    visitor.all("#gallery button.thumbnail-item")[1].click()
    visitor.until(lambda: visitor.picture() != first)
    second = visitor.download()
    assert "Seed 1" in visitor.find("#note").text and read_picture(second).own_seed == 1
    visitor.open()
    visitor.drop(second)
    visitor.until(visitor.picture)
    visitor.draw(4)
    assert len(visitor.all("#gallery img")) == 2 and "Seed 1" in visitor.find("#note").text


def test_weights_over_time_are_dragged_and_order_in_depth_is_switched_off(visit):
    visitor = visit()
    visitor.read()
    dot = visitor.all("#curve .dot")[0]
    visitor.chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", dot)
    ActionChains(visitor.chrome, duration=50).click_and_hold(dot).move_by_offset(0, 15).release().perform()
    visitor.click("#depth_order input")
    visitor.draw(2)
    making = read_picture(visitor.download())
    weights = making.weights
    assert making.defaults["depth_order"] is False
    assert len(weights) == 2 and 0 < weights[0][0] < 4.0 and weights[0][0] > weights[0][1]


def test_the_widget_of_notebooks_is_dragged_with_mouse_and_keys(tmp_path):
    from spacetime_attn.editor.widget import LayoutWidget

    apple, car = Region("a red apple", box=(0.1, 0.1, 0.4, 0.4)), Region("a car", disc=(0.7, 0.7, 0.2))
    widget = LayoutWidget(Layout((apple, car)))
    module = base64.b64encode(widget._esm.encode()).decode()
    (tmp_path / "notebook.html").write_text(f"""<style>{widget._css}</style><div id="canvas"></div>
        <script type="module">
        import widget from "data:text/javascript;base64,{module}";
        let traits = {json.dumps(widget.get_state())};
        const listeners = [], on = (name, listener) => listeners.push(listener);
        window.told = [];
        window.update = (now) => {{ traits = now; listeners.forEach((listener) => listener()); }};
        const model = {{ get: (name) => traits[name], on, send: (message) => told.push(message) }};
        widget.render({{ model, el: document.querySelector("#canvas") }});
        </script>""")
    visitor = Visitor("", tmp_path)

    def deliver() -> None:
        """To Python, and what changes there to the browser."""
        for message in visitor.until(lambda: visitor.chrome.execute_script("return told.splice(0)")):
            widget._handle_custom_msg(message, [])
        visitor.chrome.execute_script("update(arguments[0])", widget.get_state())

    try:
        visitor.chrome.get((tmp_path / "notebook.html").as_uri())
        visitor.until(lambda: visitor.labels() == ["a red apple", "a car"])
        visitor.drag(visitor.all("#canvas .region")[0], 0.3, 0.1)
        deliver()
        assert widget.value[0].box == pytest.approx((0.4, 0.2, 0.7, 0.5), abs=0.02)
        assert widget.value[1].disc == (0.7, 0.7, 0.2)
        visitor.drag(visitor.find("#canvas .handle.se"), 0.1, 0.1)
        deliver()
        assert widget.value[0].box == pytest.approx((0.4, 0.2, 0.8, 0.6), abs=0.02)
        before = widget.value[0].box
        for _ in range(3):
            visitor.chrome.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
            deliver()
        assert widget.value[0].box == pytest.approx([before[n] - (0.03, 0)[n % 2] for n in range(4)])
        widget.value = widget.value.edit("a car", phrase="a bus")
        visitor.chrome.execute_script("update(arguments[0])", widget.get_state())
        assert visitor.labels() == ["a red apple", "a bus"]
        assert visitor.boxes()[0] == pytest.approx(widget.value[0].box, abs=0.01)
        assert [entry for entry in visitor.chrome.get_log("browser") if entry["level"] == "SEVERE"] == []
    finally:
        visitor.chrome.quit()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off(visit, width, theme):
    visitor = visit(width=max(width, 500))
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    visitor.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    visitor.open(theme)
    visitor.read("a red apple to the left of a blue car, a yellow bird above the car and a green cup below it", 4)
    wide = visitor.chrome.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width
    stage = visitor.find("#canvas .stage").rect
    labels = [label.rect for label in visitor.all("#canvas .label")]
    for label in labels:
        assert stage["x"] <= label["x"] and label["x"] + label["width"] <= stage["x"] + stage["width"] + 1
        assert stage["y"] <= label["y"] and label["y"] + label["height"] <= stage["y"] + stage["height"] + 1
    apart = [
        a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
        or a["y"] + a["height"] <= b["y"] + 1 or b["y"] + b["height"] <= a["y"] + 1
        for n, a in enumerate(labels)
        for b in labels[:n]
    ]  # fmt: skip
    assert all(apart)
    visitor.click("#canvas .label", "a yellow bird")
    visitor.find("#canvas .grip")
    assert visitor.chrome.execute_script("""
        return [...document.querySelectorAll("#canvas .handle")].every((handle) => {
            const { left, top, width, height } = handle.getBoundingClientRect();
            return document.elementFromPoint(left + width / 2, top + height / 2) === handle;
        });
    """)
    assert [entry for entry in visitor.chrome.get_log("browser") if entry["level"] == "SEVERE"] == []
