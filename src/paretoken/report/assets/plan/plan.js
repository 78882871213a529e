/* The fleet of this place in the list is shown in detail; a link to it opens the page there. */
const fleetChoices = [...document.querySelectorAll('input[name="fleet"]')];
function chooseFleet(place) {
  for (const choice of fleetChoices) choice.checked = choice.value === place;
  for (const section of document.querySelectorAll("section.fleet"))
    section.classList.toggle("chosen", section.id === `fleet-${place}`);
}
const linkedFleet = () => location.hash.replace("#fleet-", "");
export function followLink() {
  if (fleetChoices.some((choice) => choice.value === linkedFleet())) chooseFleet(linkedFleet());
}
for (const choice of fleetChoices)
  choice.addEventListener("change", () => {
    chooseFleet(choice.value);
    history.replaceState(null, "", `#fleet-${choice.value}`);
  });
addEventListener("hashchange", followLink);

/* Copy a command; where the browser gives no clipboard, select it. */
async function copyCommand(button) {
  const code = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    for (const folded of button.parentElement.querySelectorAll("details")) folded.open = true;
    getSelection().selectAllChildren(code);
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
}
for (const button of document.querySelectorAll(".copy")) button.addEventListener("click", () => copyCommand(button));
