extension ValueSyntax where Value == [Configuration.Region] {
    /// `us:1, eu:2/3`: at least one region, names and characters unique.
    static let regions = ValueSyntax(
        read: { (text) throws(BadValue) in
            var regions: [Configuration.Region] = []
            for item in text.split(separator: ",", omittingEmptySubsequences: false) {
                let region = try Configuration.Region(item.trimmingBlanks())
                if let other = regions.first(where: { $0.name == region.name || $0.character == region.character }) {
                    throw BadValue(
                        problem: other.name == region.name
                            ? "the region \(region.name) stands there twice"
                            : "\(other) and \(region) have the same character",
                        remedy: "give each region one name and one character of its own")
                }
                regions.append(region)
            }
            return regions
        }, write: { $0.map(\.description).joined(separator: ", ") })
}

extension Configuration.Region: CustomStringConvertible {
    /// Reads `us:1` or `us:1/3`.
    fileprivate init(_ text: Substring) throws(BadValue) {
        let remedy = "write NAME:CHARACTER or NAME:CHARACTER/ACCEPTOR with commas between, such as us:1, eu:2/3"
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw BadValue(problem: "\(quoted(text)) is not a region", remedy: remedy) }
        name = try ValueSyntax.regionName.read(String(parts[0]))
        let rest = parts[1].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard rest[0].utf8.count == 1, let character = rest[0].utf8.first, character.isLetterOrDigit else {
            throw BadValue(problem: "\(quoted(rest[0])) is not one character of 0-9, A-Z, a-z", remedy: remedy)
        }
        self.character = character
        acceptor =
            rest.count == 1 ? 0 : try ValueSyntax.integer(ConfigurationLimits.nodes).read(String(rest[1]))
    }

    /// As in the file.
    package var description: String {
        "\(name):\(Unicode.Scalar(character))" + (acceptor == 0 ? "" : "/\(acceptor)")
    }
}

extension UInt8 {
    /// `[a-z0-9-]`.
    var isRegionNameByte: Bool { isDigit || (0x61...0x7a).contains(self) || self == UInt8(ascii: "-") }
}

extension Substring {
    /// Without the spaces and tabs around it.
    func trimmingBlanks() -> Substring {
        let isText: (UInt8) -> Bool = { $0 != 0x20 && $0 != 0x09 }
        guard let first = utf8.firstIndex(where: isText), let last = utf8.lastIndex(where: isText) else {
            return self[endIndex...]
        }
        return self[first..<utf8.index(after: last)]
    }
}
