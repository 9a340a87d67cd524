// The provider's own pages: a sign-in form that works without scripts, and the question asked before sign-out.

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function escape(text) {
  return String(text).replace(/[&<>"']/g, (character) => ESCAPES[character]);
}

function page(title, body) {
  return `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>${escape(title)}</title></head>
<body><h1>${escape(title)}</h1>${body}</body></html>`;
}

export function signIn(uid, fault) {
  const alert = fault ? `<p role="alert">${escape(fault)}</p>` : '';
  const action = `/interaction/${encodeURIComponent(uid)}`;
  return page('Sign in', `${alert}
<form method="post" action="${action}">
<label>User <input name="username" type="text" autocomplete="username" required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button type="submit" name="decision" value="sign-in">Sign in</button>
<button type="submit" name="decision" value="deny" formnovalidate>Cancel</button>
</form>`);
}

export function signOut(form) {
  const button = '<button type="submit" name="logout" value="yes">Sign out</button>';
  return page('Sign out?', form.replace('</form>', `${button}</form>`));
}

export function message(title, text) {
  return page(title, `<p>${escape(text)}</p>`);
}
