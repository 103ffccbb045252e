"use strict";
// A cell opens its evidence; columns sort, and sort back; rows are found by name
// and outcome. Without this script the page reads the same, from top to bottom.
{
	const open = () => {
		const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
		const details = target?.closest("details");
		if (details) {
			details.open = true;
			target.scrollIntoView({ block: "center" });
		}
	};
	addEventListener("hashchange", open);
	open();

	const rank = { pass: 3, skipped: 2, fail: 1, error: 0, "not-graded-yet": -1, "nothing-handed-in": -2, "needs-review": -3 };
	const value = (row, column) => {
		const cell = row.cells[column];
		const text = cell.textContent.trim();
		if (cell.className in rank) return rank[cell.className];
		if (cell.className === "points") return text === "" ? -1 : Number(text);
		return text.toLowerCase();
	};
	const body = document.querySelector("#grades tbody");
	const heads = [...document.querySelectorAll("#grades thead [data-column], #grades thead [data-check]")];
	const first = heads.filter((head) => head.dataset.column).length;
	let checks = 0;
	for (const head of heads) {
		const column = head.dataset.column ? Number(head.dataset.column) : first + checks++;
		const button = document.createElement("button");
		button.type = "button";
		button.append(...head.childNodes);
		head.append(button);
		button.addEventListener("click", () => {
			const down = head.getAttribute("aria-sort") === "ascending";
			heads.forEach((other) => other.removeAttribute("aria-sort"));
			head.setAttribute("aria-sort", down ? "descending" : "ascending");
			const rows = [...body.rows].map((row) => [value(row, column), row]);
			rows.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1));
			body.append(...rows.map(([, row]) => row));
		});
	}

	const find = document.getElementById("find");
	const [search, outcome, found] = find.children;
	find.hidden = false;
	const filter = () => {
		const word = search.value.trim().toLowerCase();
		let count = 0;
		for (const row of body.rows) {
			const [name, result] = row.cells;
			const shown = name.textContent.toLowerCase().includes(word) && (outcome.value === "" || result.textContent === outcome.value);
			row.hidden = !shown;
			document.getElementById(name.querySelector("a").hash.slice(1)).hidden = !shown;
			if (shown) count++;
		}
		found.value = word === "" && outcome.value === "" ? "" : `${count} of ${body.rows.length}`;
	};
	search.addEventListener("input", filter);
	outcome.addEventListener("change", filter);
}
