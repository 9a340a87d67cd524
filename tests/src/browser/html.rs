//! What a browser without scripts does with a page: forms and refreshes.

use scraper::{ElementRef, Html, Selector};
use url::Url;
use url::form_urlencoded;

/// A form of a page, filled in so far.
#[derive(Debug, Clone)]
pub struct Form {
    /// Where it goes.
    pub action: Url,
    /// Whether it is a `POST`.
    pub is_post: bool,
    fields: Vec<Field>,
    buttons: Vec<Button>,
}

#[derive(Debug, Clone)]
struct Field {
    name: String,
    value: String,
    kind: String,
}

#[derive(Debug, Clone)]
struct Button {
    name: Option<String>,
    value: String,
    label: String,
    action: Option<Url>,
}

impl Form {
    /// The forms of a page.
    pub(super) fn all_of(html: &str, page: &Url) -> Vec<Self> {
        let document = Html::parse_document(html);
        document
            .select(&selector("form"))
            .map(|form| Self::read(form, page))
            .collect()
    }

    fn read(form: ElementRef<'_>, page: &Url) -> Self {
        let resolve = |target: &str| page.join(target).expect("a form's action is an address");
        let attribute = |name| form.value().attr(name);
        let inputs = selector("input[name]:not([type=submit])");
        let fields = form.select(&inputs).map(|input| Field {
            name: input.attr("name").unwrap_or_default().to_owned(),
            value: input.attr("value").unwrap_or_default().to_owned(),
            kind: input.attr("type").unwrap_or("text").to_owned(),
        });
        let submitters = selector("button:not([type=button]), input[type=submit]");
        let buttons = form.select(&submitters).map(|button| Button {
            name: button.attr("name").map(str::to_owned),
            value: button.attr("value").unwrap_or_default().to_owned(),
            label: button.text().collect::<String>().trim().to_owned(),
            action: button.attr("formaction").map(resolve),
        });
        Self {
            action: resolve(attribute("action").unwrap_or_default()),
            is_post: attribute("method").is_some_and(|method| method.eq_ignore_ascii_case("post")),
            fields: fields.collect(),
            buttons: buttons.collect(),
        }
    }

    /// Whether it asks for a password.
    pub fn asks_for_password(&self) -> bool {
        self.fields.iter().any(|field| field.kind == "password")
    }

    /// Fills in a sign-in form as a password manager does: the password where it belongs, the name in the text field.
    ///
    /// # Panics
    /// When the form has no place for them.
    #[must_use]
    pub fn fill_in(mut self, user: &str, password: &str) -> Self {
        let mut fill = |kinds: &[&str], value: &str| {
            let field = self
                .fields
                .iter_mut()
                .find(|field| kinds.contains(&field.kind.as_str()));
            field
                .unwrap_or_else(|| panic!("the form has a field of {kinds:?}"))
                .value = value.to_owned();
        };
        fill(&["text", "email"], user);
        fill(&["password"], password);
        self
    }

    /// Presses a button: the first whose label has one of these words, or the first at all.
    ///
    /// # Panics
    /// When words are given and no button has them.
    pub(super) fn press(&self, words: &[&str]) -> (Url, String) {
        let wanted = |button: &&Button| {
            let label = button.label.to_lowercase();
            words.is_empty() || words.iter().any(|word| label.contains(word))
        };
        let button = self.buttons.iter().find(wanted);
        assert!(
            button.is_some() || words.is_empty(),
            "no button says any of {words:?}, but {:?}",
            self.buttons
                .iter()
                .map(|button| button.label.as_str())
                .collect::<Vec<_>>()
        );
        let mut body = form_urlencoded::Serializer::new(String::new());
        for field in &self.fields {
            body.append_pair(&field.name, &field.value);
        }
        if let Some(Button {
            name: Some(name),
            value,
            ..
        }) = button
        {
            body.append_pair(name, value);
        }
        let action = button.and_then(|button| button.action.clone());
        (action.unwrap_or_else(|| self.action.clone()), body.finish())
    }
}

/// Where `<meta http-equiv="refresh">` leads.
pub(super) fn refresh_of(html: &str, page: &Url) -> Option<Url> {
    let document = Html::parse_document(html);
    let metas = selector("meta[http-equiv][content]");
    let refresh = document.select(&metas).find(|meta| {
        meta.attr("http-equiv")
            .is_some_and(|directive| directive.eq_ignore_ascii_case("refresh"))
    })?;
    let (_, target) = refresh.attr("content")?.split_once([';', ','])?;
    let target = target.trim();
    let target = target
        .get(..4)
        .filter(|key| key.eq_ignore_ascii_case("url="))
        .map_or(target, |_| &target[4..]);
    page.join(target.trim_matches(['\'', '"'])).ok()
}

/// What a page says to its reader.
pub(super) fn text_of(html: &str) -> String {
    let document = Html::parse_document(html);
    let text: String = document.root_element().text().collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn selector(css: &str) -> Selector {
    Selector::parse(css).expect("a valid selector")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Url {
        Url::parse("http://127.0.0.1:9000/sign-in?x=1").unwrap()
    }

    #[test]
    fn a_form_is_submitted_with_its_hidden_fields_and_the_button_pressed() {
        let html = r#"<form method="POST" action="/sign-in"><input type="hidden" name="token" value="a&amp;b">
            <input name="user" autocomplete="username"><input name="pass" type="password">
            <button name="go" value="yes">Sign in</button><button name="go" value="no">Cancel</button></form>"#;

        let form = Form::all_of(html, &page()).remove(0).fill_in("alice", "x y");

        assert!(form.is_post);
        assert!(form.asks_for_password());
        let (action, body) = form.press(&[]);
        assert_eq!(action.as_str(), "http://127.0.0.1:9000/sign-in");
        assert_eq!(body, "token=a%26b&user=alice&pass=x+y&go=yes");
        assert!(form.press(&["cancel"]).1.ends_with("go=no"));
    }

    #[test]
    fn a_refresh_is_understood_as_browsers_do() {
        let target = |content: &str| {
            refresh_of(
                &format!(r#"<meta http-equiv="Refresh" content="{content}">"#),
                &page(),
            )
        };

        let home = Url::parse("http://127.0.0.1:9000/home").unwrap();
        assert_eq!(target("0;url=/home"), Some(home.clone()));
        assert_eq!(target("0; URL='/home'"), Some(home));
        assert_eq!(target("30"), None);
    }
}
