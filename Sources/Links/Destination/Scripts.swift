import CIDN

/// Unicode's property Script, from libunistring; equal numbers are equal scripts.
private struct Script: Hashable {
    private let index: Int32

    init(_ scalar: Unicode.Scalar) { index = edge_script(scalar.value) }

    private init(named name: String) {
        index = unsafe edge_script_named(name)
        precondition(index >= 0)
    }

    static let common = Script(named: "Common")
    static let inherited = Script(named: "Inherited")
    private static let han = Script(named: "Han")
    private static let latin = Script(named: "Latin")
    /// What is written together with Latin letters (UTS 39 5.2, "highly restrictive").
    static let together: [Set<Script>] = [
        [latin, han, Script(named: "Hiragana"), Script(named: "Katakana")],
        [latin, han, Script(named: "Bopomofo")],
        [latin, han, Script(named: "Hangul")],
    ]
}

/// Whether a label's letters are of one script, or of scripts that are written together.
func areOfOneScript(_ label: [Unicode.Scalar]) -> Bool {
    let scripts = Set(label.map { Script($0) }).subtracting([.common, .inherited])
    return scripts.count <= 1 || Script.together.contains { scripts.isSubset(of: $0) }
}

/// Cyrillic letters that look like Latin ones.
private let latinLookalikes = Set("асԁеһіјӏорԛѕԝхуѵ".unicodeScalars)

/// Countries where a Cyrillic name below an ASCII top-level domain is nothing strange.
private let cyrillicDomains = Set(
    ["ba", "bg", "by", "kg", "kz", "me", "mk", "mn", "rs", "ru", "su", "tj", "ua", "uz"].map { Array($0.utf8) })

/// Whether a label is Cyrillic and could be read as Latin from end to end, in a name whose last label invites it.
func imitatesLatin(_ label: [Unicode.Scalar], in labels: [ArraySlice<UInt8>]) -> Bool {
    guard let last = labels.last, !isPunycode(last), !cyrillicDomains.contains(Array(last)) else { return false }
    let letters = label.filter { !$0.isASCII }
    return !letters.isEmpty && letters.allSatisfy(latinLookalikes.contains)
}
