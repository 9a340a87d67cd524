//! Tables in Markdown.

/// One line for each thing that is measured, one column for each level.
#[derive(Debug, Default)]
pub(crate) struct Table {
    head: Vec<String>,
    lines: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(corner: &str) -> Self {
        Self {
            head: vec![corner.to_owned()],
            lines: Vec::new(),
        }
    }

    /// Begins the next column.
    pub(crate) fn column(&mut self, head: impl Into<String>) {
        self.head.push(head.into());
    }

    /// Writes into the column that was begun last.
    pub(crate) fn put(&mut self, line: &str, value: impl Into<String>) {
        let at = match self.lines.iter().position(|cells| cells[0] == line) {
            Some(at) => at,
            None => {
                self.lines.push(vec![line.to_owned()]);
                self.lines.len() - 1
            }
        };
        self.lines[at].resize(self.head.len() - 1, String::new());
        self.lines[at].push(value.into());
    }

    pub(crate) fn print(&self) {
        let line = |cells: &[String]| println!("| {} |", cells.join(" | "));
        line(&self.head);
        println!("|---|{}", "---:|".repeat(self.head.len() - 1));
        self.lines.iter().for_each(|cells| line(cells));
        println!();
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: impl TryInto<u128>) -> String {
    let digits = number.try_into().unwrap_or(0).to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
