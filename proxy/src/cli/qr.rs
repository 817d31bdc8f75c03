//! The sign-in link as a QR code for a terminal.
//!
//! Black on white by explicit colours, so that dark and light terminals show the same; without
//! colours (a pipe) the code is drawn for a light page.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code; four are asked for by ISO/IEC 18004, two are read by every phone
/// and leave room on a terminal of 24 lines.
const QUIET: usize = 2;

/// The code as lines of half blocks, two rows of modules to a line. `None` if the text does not fit.
pub(super) fn lines(text: &str, colours: bool) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let (width, modules) = (code.width(), code.to_colors());
    let side = width + 2 * QUIET;
    let dark = |x: usize, y: usize| {
        let inside = (QUIET..QUIET + width).contains(&x) && (QUIET..QUIET + width).contains(&y);
        inside && modules[(y - QUIET) * width + (x - QUIET)] == Color::Dark
    };
    let line = |y: usize| {
        let mut line = String::new();
        for x in 0..side {
            line.push(match (dark(x, y), dark(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        if !colours {
            return line;
        }
        // 16 and 231 of the 256-colour table are black and white; 0 and 15 belong to the theme.
        format!("\x1b[38;5;16;48;5;231m{line}\x1b[0m")
    };
    Some((0..side).step_by(2).map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_link_is_small_and_has_its_corner() {
        let lines = lines("https://microsoft.com/devicelogin", false).unwrap();
        // 25 or 29 modules and the quiet zone, two rows to a line.
        assert!(lines.len() <= 17, "{}", lines.len());
        assert!(lines[0].trim().is_empty());
        assert!(lines[1].starts_with("  █▀▀▀▀▀█ "), "{}", lines[1]);
        let width = lines[0].chars().count();
        assert!(lines.iter().all(|line| line.chars().count() == width));
    }

    #[test]
    fn colours_are_explicit_and_reset_on_each_line() {
        for line in lines("https://microsoft.com/devicelogin", true).unwrap() {
            assert!(line.starts_with("\x1b[38;5;16;48;5;231m") && line.ends_with("\x1b[0m"));
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        assert!(lines(&"x".repeat(4_000), false).is_none());
    }
}
