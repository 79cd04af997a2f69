/// Prometheus' text exposition format, version 0.0.4.
package struct MetricsText {
    package private(set) var text = ""

    package init() {}

    package enum Kind: String { case counter, gauge, histogram }

    /// Begins a metric; its samples follow.
    package mutating func metric(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    package mutating func sample(_ name: String, _ value: Double) { sample(name, [:], value) }

    package mutating func sample(_ name: String, _ labels: KeyValuePairs<String, String>, _ value: Double) {
        text += name
        if !labels.isEmpty {
            let pairs = labels.map { "\($0.key)=\"\(Self.escaped($0.value))\"" }
            text += "{" + pairs.joined(separator: ",") + "}"
        }
        let isWhole = value == value.rounded() && abs(value) < 9e15
        let number = isWhole ? String(Int64(value)) : value == .infinity ? "+Inf" : String(value)
        text += " " + number + "\n"
    }

    /// A metric of one sample.
    package mutating func value(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
        metric(name, kind, help)
        sample(name, value)
    }

    /// `counts` are not cumulative and one longer than `bounds`.
    package mutating func histogram(_ name: String, _ help: String, bounds: [Double], counts: [UInt64], sum: Double) {
        metric(name, .histogram, help)
        var total: UInt64 = 0
        for (bound, count) in zip(bounds, counts) {
            total += count
            sample(name + "_bucket", ["le": String(bound)], Double(total))
        }
        total += counts[bounds.count]
        sample(name + "_bucket", ["le": "+Inf"], Double(total))
        sample(name + "_sum", sum)
        sample(name + "_count", Double(total))
    }

    private static func escaped(_ value: String) -> String {
        var text = ""
        for character in value.unicodeScalars {
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(character)
            }
        }
        return text
    }
}
