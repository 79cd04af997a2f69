/// What a key allows. What it creates it owns, and nobody else's links are touched by any scope but `admin`.
package struct KeyScopes: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Making links, and reading one's own.
    package static let createLinks = KeyScopes(rawValue: 1 << 0)
    /// Reading and changing one's own links.
    package static let manageLinks = KeyScopes(rawValue: 1 << 1)
    /// Everything, with everybody's links and the node.
    package static let admin = KeyScopes(rawValue: 1 << 2)

    /// All, by the names that they have outside, in the order in which they are listed.
    package static let named: [(name: String, scope: KeyScopes)] = [
        ("links:create", .createLinks), ("links:manage", .manageLinks), ("admin", .admin),
    ]

    /// Names that are none are left out: they are a newer program's, and mean nothing here.
    package init(_ names: [String]) {
        self = Self.named.reduce(into: []) { if names.contains($1.name) { $0.insert($1.scope) } }
    }

    package var names: [String] { Self.named.filter { contains($0.scope) }.map(\.name) }

    /// Whether `scope` is allowed: `admin` allows all.
    package func allows(_ scope: KeyScopes) -> Bool { contains(.admin) || contains(scope) }
}
