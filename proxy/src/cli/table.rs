//! Columns for people: as wide as the widest cell, two blanks apart.

/// A table whose first row is the header.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
    let all = || std::iter::once(&header).chain(rows);
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            all()
                .map(|row| row.get(column).map_or(0, |cell| cell.chars().count()))
                .max()
                .unwrap_or_default()
        })
        .collect();
    let mut text = String::new();
    for row in all() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            let blanks = width.saturating_sub(cell.chars().count()) + 2;
            line.extend(std::iter::repeat_n(' ', blanks));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Names and values below each other: `name:  value`.
pub(super) fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or_default() + 1;
    let mut text = String::new();
    for (name, value) in facts {
        let blanks = width.saturating_sub(name.chars().count() + 1) + 2;
        text.extend([name, ":"]);
        text.extend(std::iter::repeat_n(' ', blanks));
        text.extend([value, "\n"]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_clean() {
        let rows = [
            vec!["Bücherei".into(), "works".into()],
            vec!["Fax".into(), String::new()],
        ];
        assert_eq!(
            table(&["NAME", "STATE"], &rows),
            "NAME      STATE\nBücherei  works\nFax\n"
        );
        assert_eq!(
            facts(&[("Host", "gw".into()), ("User name", "fax".into())]),
            "Host:       gw\nUser name:  fax\n"
        );
    }
}
