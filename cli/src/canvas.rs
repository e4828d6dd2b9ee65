//! Drawing in place on a terminal, without taking the whole of it: what was drawn last stays in the
//! scrollback when the command ends.

use std::io::{self, Write};

use console::{Term, truncate_str};

/// What a terminal is taken for that does not say how large it is: lines and columns.
const SIZE: (u16, u16) = (24, 80);

/// A piece of the terminal at the end of what was printed.
#[derive(Debug, Default)]
pub(crate) struct Canvas {
    /// How many lines the last picture has.
    drawn: usize,
}

impl Canvas {
    /// How many columns there are now: a terminal may be resized at any time.
    pub(crate) fn columns() -> usize {
        usize::from(size().1)
    }

    /// Draws over the last picture. A line that is too long is cut, since one that wraps could not
    /// be drawn over; lines that do not fit are left out at the end.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(crate) fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let (rows, columns) = size();
        let room = usize::from(rows).saturating_sub(1).max(1);
        let text = picture(lines, self.drawn, room, usize::from(columns));
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        self.drawn = lines.len().min(room);
        out.flush()
    }
}

fn size() -> (u16, u16) {
    Term::stdout().size_checked().unwrap_or(SIZE)
}

/// What is sent to the terminal: up to where the last picture began, clear, and the new one.
fn picture(lines: &[String], drawn: usize, rows: usize, columns: usize) -> String {
    let mut text = String::new();
    if drawn > 0 {
        text.push_str(&format!("\u{1b}[{drawn}A"));
    }
    text.push_str("\r\u{1b}[J");
    for line in lines.iter().take(rows) {
        text.push_str(&truncate_str(line, columns, "…"));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_drawn_over_the_last_one_and_never_wraps() {
        let lines = ["production".to_owned(), "test".to_owned(), "dev".to_owned()];
        assert_eq!(picture(&lines, 0, 2, 6), "\r\u{1b}[Jprodu…\ntest\n");
        assert_eq!(picture(&lines, 2, 9, 80).matches('\n').count(), 3);
        assert!(picture(&lines, 2, 9, 80).starts_with("\u{1b}[2A\r\u{1b}[J"));
    }

    #[test]
    fn colours_take_no_room() {
        let line = ["\u{1b}[1mdev\u{1b}[0m runs".to_owned()];
        assert_eq!(
            picture(&line, 0, 9, 8),
            "\r\u{1b}[J\u{1b}[1mdev\u{1b}[0m runs\n"
        );
    }
}
