import Glibc

/// A table for people: the first column to the left, the others to the right.
package struct Table {
    private let title: String
    private var rows: [[String]]

    package init(_ title: String, _ columns: [String]) { (self.title, rows) = (title, [columns]) }

    package mutating func add(_ cells: [String]) {
        precondition(cells.count == rows[0].count)
        rows.append(cells)
    }

    package var text: String {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max()! }
        var text = title + "\n"
        for row in rows {
            var line = "  "
            for (column, cell) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                line += column == 0 ? cell + padding : "   " + padding + cell
            }
            while line.last == " " { line.removeLast() }
            text += line + "\n"
        }
        return text
    }
}

/// The middle value; of an even number, the mean of the middle two. 0 of none.
package func median(_ values: [Double]) -> Double {
    guard !values.isEmpty else { return 0 }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/// How figures are written.
package enum Figure {
    /// Three significant digits, thousands apart: `1 230`, `45.6`, `0.123`.
    package static func number(_ value: Double) -> String {
        if value == 0 { return "0" }
        if value >= 1000 {
            let unit = pow(10, (log10(value)).rounded(.down) - 2)
            return grouped(Int((value / unit).rounded() * unit))
        }
        return fixed(value, value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3)
    }

    package static func ratio(_ value: Double) -> String { "x" + fixed(value, 2) }

    /// Of a part of 1.
    package static func percent(_ part: Double) -> String { fixed(100 * part, 1) + " %" }

    /// Microseconds or milliseconds, of nanoseconds.
    package static func duration(_ nanoseconds: Double) -> String {
        nanoseconds < 1e6 ? number(nanoseconds / 1e3) + " us" : number(nanoseconds / 1e6) + " ms"
    }

    package static func bytes(_ count: Double) -> String {
        switch count {
        case ..<1024: number(count) + " B"
        case ..<1_048_576: number(count / 1024) + " KiB"
        case ..<1_073_741_824: number(count / 1_048_576) + " MiB"
        default: number(count / 1_073_741_824) + " GiB"
        }
    }

    package static func grouped(_ value: Int) -> String {
        let digits = Array(String(value))
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += " " }
            text.append(digit)
        }
        return text
    }

    package static func fixed(_ value: Double, _ places: Int) -> String {
        precondition(value >= 0 && value < 1e15 && places >= 0 && places <= 6)
        let scale = (0..<places).reduce(1) { scale, _ in scale * 10 }
        let scaled = Int((value * Double(scale)).rounded())
        guard places > 0 else { return String(scaled) }
        let fraction = String(scaled % scale)
        return "\(scaled / scale)." + String(repeating: "0", count: places - fraction.count) + fraction
    }
}
