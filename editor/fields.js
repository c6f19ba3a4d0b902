// gradio's text fields tell of keys that write a letter, and its sliders of a pointer that leaves them. Here they tell
// of all else that changes them, too: Backspace, cut and paste, and arrow keys.
() => {
  document.addEventListener("input", ({ target, inputType }) => {
    if (inputType !== "insertText" && target.matches("textarea, input[type=text]"))
      target.dispatchEvent(new KeyboardEvent("keypress", { key: inputType }));
  });
  document.addEventListener("change", ({ target }) => {
    if (target.matches("input[type=range], input[type=number]"))
      target.dispatchEvent(new PointerEvent("pointerup", { bubbles: true }));
  });
}
