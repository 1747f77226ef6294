//! Rows of text as columns for people. It knows no width of a terminal: long ids stay whole, so that they can be copied.

/// Aligns cells: numbers to the right, words to the left; the first row is the head.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let is_number = |column: usize| {
        let mut cells = rows.iter().skip(1).filter_map(|row| row.get(column)).filter(|cell| *cell != "–");
        let all = |cell: &String| cell.parse::<f64>().is_ok();
        cells.clone().next().is_some() && cells.all(all)
    };
    let right: Vec<bool> = (0..count).map(is_number).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for ((cell, width), right) in row.iter().zip(&widths).zip(&right) {
            let gap = " ".repeat(width.saturating_sub(cell.chars().count()));
            line += &if *right { format!("{gap}{cell}  ") } else { format!("{cell}{gap}  ") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_words_left() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let rows = [row(&["name", "records"]), row(&["a", "7"]), row(&["longer", "–"]), row(&["b", "1234"])];
        let expected = "name    records\na             7\nlonger        –\nb          1234\n";
        assert_eq!(columns(&rows), expected);
        assert_eq!(columns(&[]), "");
    }
}
