//! Tables of text, lined up under a header.

/// A table with its columns padded to equal width, numbers to the right, names to the left.
pub(crate) fn lined_up(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &[&str]| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    let rule = "-".repeat(widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1));
    let body = rows.iter().map(|row| line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    [line(header), rule].into_iter().chain(body).collect::<Vec<_>>().join("\n")
}

/// A table in Markdown; the column of names is to the left, the others to the right.
pub(crate) fn markdown(header: &[&str], names: usize, rows: &[Vec<String>]) -> String {
    let line = |cells: &[&str]| format!("| {} |\n", cells.join(" | "));
    let rule: Vec<&str> =
        (0..header.len()).map(|column| if column == names { ":--" } else { "--:" }).collect();
    let body = rows.iter().map(|row| line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    [line(header), line(&rule)].into_iter().chain(body).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let text =
            lined_up(&["name", "n"], &[vec!["a".into(), "10".into()], vec!["longer".into(), "1".into()]]);
        assert_eq!(text, "name     n\n----------\na       10\nlonger   1");
        let text = markdown(&["name", "n"], 0, &[vec!["a".into(), "10".into()]]);
        assert_eq!(text, "| name | n |\n| :-- | --: |\n| a | 10 |\n");
    }
}
