// Fetches the page again every second and swaps the parts that changed, except one that text is selected in.
const PERIOD = 1000;

const isSelectedIn = (part) => {
  const selection = getSelection();
  return !selection.isCollapsed && part.contains(selection.anchorNode);
};

const swap = (fresh) => {
  document.title = fresh.title;
  const parts = [...document.querySelectorAll("main [data-live]")];
  const others = [...fresh.querySelectorAll("main [data-live]")];
  const names = (list) => list.map((part) => part.id).join();
  if (names(parts) !== names(others)) {
    document.querySelector("main").replaceWith(fresh.querySelector("main"));
    return;
  }
  parts.forEach((part, index) => {
    if (part.innerHTML !== others[index].innerHTML && !isSelectedIn(part)) part.innerHTML = others[index].innerHTML;
  });
};

const refresh = async () => {
  try {
    const answer = await fetch("/", { cache: "no-store" });
    swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
    document.body.classList.remove("gone");
    document.querySelector("#live .label").textContent = "live";
  } catch {
    document.body.classList.add("gone");
    document.querySelector("#live .label").textContent = "stopped";
  }
  setTimeout(refresh, PERIOD);
};

document.addEventListener("click", async ({ target }) => {
  if (target.dataset.copy) {
    await navigator.clipboard.writeText(target.dataset.copy);
    target.textContent = "Copied";
    setTimeout(() => (target.textContent = "Copy"), PERIOD);
  }
  if ("reset" in target.dataset) await fetch("/reset", { method: "POST" });
});

setTimeout(refresh, PERIOD);
