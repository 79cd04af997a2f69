/// The options of one command: `--name value`, and `--name` alone for the flags.
package struct Options: Equatable {
    private var values: [String: String] = [:]
    private let known: Set<String>

    /// `known`: the options that take a value; `flags`: those that do not.
    package init(_ arguments: [String], known: Set<String>, flags: Set<String> = []) throws {
        self.known = known.union(flags)
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            let name = String(argument.dropFirst(2))
            guard argument.hasPrefix("--"), self.known.contains(name) else {
                throw LabError(usage: "there is no option `\(argument)` here")
            }
            guard values[name] == nil else { throw LabError(usage: "`\(argument)` is there twice") }
            if flags.contains(name) {
                values[name] = ""
            } else if let value = rest.popFirst() {
                values[name] = value
            } else {
                throw LabError(usage: "`\(argument)` needs a value")
            }
        }
    }

    package func has(_ flag: String) -> Bool { text(flag) != nil }

    package func text(_ name: String) -> String? {
        precondition(known.contains(name))
        return values[name]
    }

    package func number(_ name: String, _ range: ClosedRange<Double>) throws -> Double? {
        guard let text = text(name) else { return nil }
        guard let number = Double(text), range.contains(number) else {
            throw LabError(
                usage: "`--\(name)` takes a number from \(range.lowerBound) to \(range.upperBound), not `\(text)`")
        }
        return number
    }

    package func whole(_ name: String, _ range: ClosedRange<Int>) throws -> Int? {
        guard let text = text(name) else { return nil }
        return try Self.whole(text, name, range)
    }

    /// Whole numbers with commas between them.
    package func list(_ name: String, _ range: ClosedRange<Int>) throws -> [Int]? {
        try text(name)?.split(separator: ",", omittingEmptySubsequences: false).map {
            try Self.whole(String($0), name, range)
        }
    }

    private static func whole(_ text: String, _ name: String, _ range: ClosedRange<Int>) throws -> Int {
        guard let number = Int(text), range.contains(number) else {
            throw LabError(
                usage: "`--\(name)` takes whole numbers from \(range.lowerBound) to \(range.upperBound), not `\(text)`")
        }
        return number
    }
}
