// What the page asks of the server; a mistake is told in the server's words.

export async function ask(path, method = "GET", body = undefined) {
  const options = { method, headers: body === undefined ? {} : { "Content-Type": "application/json" } };
  if (body !== undefined) options.body = JSON.stringify(body);
  const answer = await fetch(path, options);
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    const first = Array.isArray(told.detail) ? told.detail[0]?.msg : told.detail;
    throw new Error(first ?? `the server answers ${answer.status}`);
  }
  return answer;
}
