//! Devices from a spreadsheet: RFC 4180, as the office programs write it.
//!
//! Reads and names columns; whether a mailbox exists or a user name is free is decided in
//! [`device`](super::device).

use secrecy::SecretString;
use zeroize::Zeroizing;

/// More devices than one site has; keeps a wrong file from filling the memory.
pub(crate) const MAX_ROWS: usize = 10_000;

/// The columns, in any order; the first four must be there.
const COLUMNS: [&str; 6] = [
    "name",
    "login",
    "password",
    "mailbox",
    "networks",
    "protocols",
];
const REQUIRED: usize = 4;

/// One device as the file names it; empty cells are `None` or empty.
#[derive(Debug)]
pub(crate) struct Row {
    /// The line that the row begins on, counted from one.
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) login: Option<String>,
    pub(crate) password: Option<SecretString>,
    pub(crate) mailboxes: Vec<String>,
    pub(crate) networks: Vec<String>,
    pub(crate) protocols: Vec<String>,
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// All rows of a file, or everything that is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Vec<Row>, Vec<Wrong>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let separator = separator(text);
    let mut records = Records {
        rest: text,
        line: 1,
        separator,
    };
    let columns = match records.next() {
        Some(Ok(header)) => columns(&header)?,
        Some(Err(wrong)) => return Err(vec![wrong]),
        None => return Err(vec![wrong(1, "the file is empty")]),
    };
    let (mut rows, mut wrongs) = (Vec::new(), Vec::new());
    for record in records {
        match record.and_then(|record| row(record, &columns)) {
            Ok(row) if rows.len() == MAX_ROWS => {
                wrongs.push(wrong(
                    row.line,
                    format!("more than {MAX_ROWS} devices in one file"),
                ));
                break;
            }
            Ok(row) => rows.push(row),
            Err(wrong) => wrongs.push(wrong),
        }
    }
    if rows.is_empty() && wrongs.is_empty() {
        wrongs.push(wrong(1, "there is no device below the header"));
    }
    if wrongs.is_empty() {
        Ok(rows)
    } else {
        Err(wrongs)
    }
}

/// Spreadsheets of half of Europe write semicolons; the header tells which it is.
fn separator(text: &str) -> char {
    let header = text.lines().next().unwrap_or_default();
    if header.contains(',') || !header.contains(';') {
        ','
    } else {
        ';'
    }
}

/// For each of [`COLUMNS`] where it stands in a record.
fn columns(header: &Record) -> Result<[Option<usize>; COLUMNS.len()], Vec<Wrong>> {
    let mut places = [None; COLUMNS.len()];
    let mut wrongs = Vec::new();
    for (place, cell) in header.cells.iter().enumerate() {
        let name = cell.trim().to_lowercase();
        match COLUMNS.iter().position(|column| *column == name) {
            Some(column) if places[column].is_some() => {
                wrongs.push(wrong(
                    header.line,
                    format!("the column `{name}` is there twice"),
                ));
            }
            Some(column) => places[column] = Some(place),
            None => wrongs.push(wrong(
                header.line,
                format!(
                    "unknown column `{name}`; the columns are {}",
                    COLUMNS.join(",")
                ),
            )),
        }
    }
    for (column, place) in COLUMNS.iter().zip(places).take(REQUIRED) {
        if place.is_none() {
            wrongs.push(wrong(
                header.line,
                format!("the column `{column}` is missing"),
            ));
        }
    }
    if wrongs.is_empty() {
        Ok(places)
    } else {
        Err(wrongs)
    }
}

fn row(mut record: Record, columns: &[Option<usize>]) -> Result<Row, Wrong> {
    let line = record.line;
    let expected = columns.iter().flatten().count();
    if record.cells.len() != expected {
        return Err(wrong(
            line,
            format!(
                "{} cells where the header has {expected}",
                record.cells.len()
            ),
        ));
    }
    // A password is taken as it stands, every other cell without blanks around it.
    let password = columns[2].map(|place| std::mem::take(&mut *record.cells[place]));
    let cell = |column: usize| columns[column].map_or("", |place| record.cells[place].trim());
    let name = cell(0).to_owned();
    if name.is_empty() {
        return Err(wrong(line, "the name is empty"));
    }
    let mailboxes = list(cell(3));
    if mailboxes.is_empty() {
        return Err(wrong(line, "the mailbox is empty"));
    }
    Ok(Row {
        line,
        login: Some(cell(1).to_owned()).filter(|login| !login.is_empty()),
        password: password.filter(|p| !p.is_empty()).map(SecretString::from),
        networks: list(cell(4)),
        protocols: list(cell(5)),
        name,
        mailboxes,
    })
}

/// Several values in one cell.
fn list(cell: &str) -> Vec<String> {
    cell.split([' ', ';', ','])
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
        .collect()
}

struct Record {
    line: usize,
    cells: Vec<Zeroizing<String>>,
}

struct Records<'a> {
    rest: &'a str,
    line: usize,
    separator: char,
}

impl Iterator for Records<'_> {
    type Item = Result<Record, Wrong>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = self.line;
            let cells = match self.record()? {
                Ok(cells) => cells,
                Err(wrong) => return Some(Err(wrong)),
            };
            if cells.iter().any(|cell| !cell.trim().is_empty()) {
                return Some(Ok(Record { line, cells }));
            }
        }
    }
}

impl Records<'_> {
    fn record(&mut self) -> Option<Result<Vec<Zeroizing<String>>, Wrong>> {
        if self.rest.is_empty() {
            return None;
        }
        let begin = self.line;
        let mut cells = Vec::new();
        // Reserved at once: a cell that grows would leave copies of a password behind.
        let mut cell = Zeroizing::new(String::with_capacity(64));
        let mut quoted = false;
        let mut letters = self.rest.char_indices().peekable();
        while let Some((place, letter)) = letters.next() {
            if letter == '\n' {
                self.line += 1;
            }
            match letter {
                '"' if quoted => match letters.peek() {
                    Some((_, '"')) => {
                        letters.next();
                        cell.push('"');
                    }
                    _ => quoted = false,
                },
                '"' if cell.is_empty() => quoted = true,
                '\n' if !quoted => {
                    self.rest = &self.rest[place + 1..];
                    cells.push(cell);
                    return Some(Ok(cells));
                }
                '\r' if !quoted => {}
                letter if letter == self.separator && !quoted => {
                    cells.push(std::mem::take(&mut cell));
                }
                letter => cell.push(letter),
            }
        }
        self.rest = "";
        if quoted {
            return Some(Err(wrong(begin, "a quotation mark is never closed")));
        }
        cells.push(cell);
        Some(Ok(cells))
    }
}

fn wrong(line: usize, what: impl Into<String>) -> Wrong {
    Wrong {
        line,
        what: what.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    fn wrongs(text: &str) -> Vec<String> {
        parse(text)
            .unwrap_err()
            .iter()
            .map(Wrong::to_string)
            .collect()
    }

    #[test]
    fn a_spreadsheet_with_quotes_blank_lines_and_a_byte_order_mark() {
        let rows = parse(concat!(
            "\u{feff}name,login,password,mailbox,networks,protocols\r\n",
            "\"Scanner, 2nd \"\"big\"\" floor\",scan2,\" p,w\"\"d \",scans@contoso.com,10.0.0.0/8 192.168.1.0/24,smtp\r\n",
            "\r\n",
            "Fax,,,fax@contoso.com;scans@contoso.com,,\r\n",
        ))
        .unwrap();
        assert_eq!(rows[0].name, "Scanner, 2nd \"big\" floor");
        assert_eq!(
            rows[0].password.as_ref().unwrap().expose_secret(),
            " p,w\"d "
        );
        assert_eq!(rows[0].networks, ["10.0.0.0/8", "192.168.1.0/24"]);
        assert_eq!(rows[0].protocols, ["smtp"]);
        assert_eq!((rows[0].line, rows[1].line), (2, 4));
        assert_eq!(rows[1].mailboxes, ["fax@contoso.com", "scans@contoso.com"]);
        assert!(rows[1].login.is_none() && rows[1].password.is_none());
        assert!(!format!("{rows:?}").contains("p,w"));
    }

    #[test]
    fn semicolons_and_columns_in_another_order() {
        let rows = parse("mailbox;password;name;login\na@b.c;x;Fax;fax").unwrap();
        assert_eq!(
            (rows[0].name.as_str(), rows[0].mailboxes[0].as_str()),
            ("Fax", "a@b.c")
        );
    }

    #[test]
    fn every_wrong_line_is_named() {
        assert_eq!(wrongs(""), ["line 1: the file is empty"]);
        assert_eq!(
            wrongs("name,login,password,mailbox\n"),
            ["line 1: there is no device below the header"]
        );
        assert_eq!(
            wrongs("name,user,mailbox\n"),
            [
                "line 1: unknown column `user`; the columns are name,login,password,mailbox,networks,protocols",
                "line 1: the column `login` is missing",
                "line 1: the column `password` is missing",
            ]
        );
        assert_eq!(
            wrongs(
                "name,login,password,mailbox\n,a,b,c@d.e\nx,y\nz,y,w,\nq,\"r,s,t@u.v\nq,r,s,t@u.v\n"
            ),
            [
                "line 2: the name is empty",
                "line 3: 2 cells where the header has 4",
                "line 4: the mailbox is empty",
                "line 5: a quotation mark is never closed",
            ]
        );
    }

    #[test]
    fn no_more_rows_than_the_limit() {
        let text = format!(
            "name,login,password,mailbox\n{}",
            "a,,,m@x.y\n".repeat(MAX_ROWS)
        );
        assert_eq!(parse(&text).unwrap().len(), MAX_ROWS);
        let text = format!("{text}a,,,m@x.y\n");
        assert_eq!(
            wrongs(&text),
            [format!(
                "line {}: more than {MAX_ROWS} devices in one file",
                MAX_ROWS + 2
            )]
        );
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in any::<String>()) {
            let _ = parse(&text);
            let _ = parse(&format!("name,login,password,mailbox\n{text}"));
        }
    }
}
