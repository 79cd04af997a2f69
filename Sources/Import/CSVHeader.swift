import Primitives

/// Which column of a table holds what. Names are compared without case, spaces, `_` and `-`; of two columns of one name
/// the first counts, and of several names for one part the first that has a value in the row.
///
/// The names, and where they come from:
///
/// * Shlink: `createdAt`, `domain`, `shortCode`, `shortUrl`, `longUrl`, `title`, `tags` (joined by `|`), `visits`
///   (github.com/shlinkio/shlink-web-component, `src/short-urls/helpers/ExportShortUrlsBtn.tsx`; its web client once
///   left `shortCode` out and joined tags by `,`). Shlink's own import reads `Long URL`, `Tags`, `Short code`, `Title`
///   (github.com/shlinkio/shlink-importer, `src/Sources/Csv/CsvImporter.php`), which are the names that this server
///   writes.
/// * Dub: `Short link`, `Destination URL`, `Created at` or `Created`, `Tags` (joined by `, `), `Title`
///   (github.com/dubinc/dub, `apps/web/app/api/links/export/route.ts`, and the labels in its dialogs).
/// * Bitly: `Link`, `Custom Link`, `Destination URL` (github.com/URLR/urlr-docs, `migration/bitly.md`, describes the
///   file); `Bitlink`, `Long URL`, `Title`, `Tags` (joined by `,`), `Created`, as importers of other projects expect
///   them. A page of Bitly's that names the columns is not known.
/// * YOURLS: `source`, which is the keyword between slashes, `target`, `hits`
///   (github.com/GautamGupta/YOURLS-Import-Export, `fileio/csv.php`); `keyword`, `url`, `title`, `timestamp` where the
///   table itself was exported.
struct CSVHeader: Sendable {
    /// A part of a link; the value is the name of its column as this server writes it.
    enum Part: String, CaseIterable, Sendable {
        case longURL = "Long URL"
        case code = "Short code"
        case title = "Title"
        case tags = "Tags"
        case createdAt = "Created at"
        case expiresAt = "Expires at"
        case owner = "Owner"
        case forwardsQuery = "Forward query"
        case isActive = "Is active"

        /// What others call it, the most telling first.
        fileprivate var otherNames: [String] {
            switch self {
            case .longURL: ["destinationurl", "originalurl", "targeturl", "destination", "target", "url"]
            case .code:
                [
                    "customlink", "customalias", "keyword", "slug", "key", "alias", "shortlink", "shorturl", "bitlink",
                    "link", "source",
                ]
            case .createdAt: ["created", "createddate", "datecreated", "creationdate", "timestamp"]
            case .expiresAt: ["expires", "expirationdate"]
            case .title, .tags, .owner, .forwardsQuery, .isActive: []
            }
        }
    }

    static let separators = [UInt8(ascii: ","), UInt8(ascii: ";"), ASCII.tab]
    /// Columns of exporters that join tags by commas, and in whose tags the other separators are content.
    private static let commaNames: Set = ["shortlink", "bitlink", "link", "customlink"]

    let separator: UInt8
    let ignoredColumns: [String]
    private let names: [String]
    private let indices: [Part: [Int]]
    private let joinsTagsByComma: Bool

    /// The separator is the one that makes the most known names of the bytes.
    init(_ bytes: [UInt8]) throws(ImportError) {
        var best: CSVHeader?
        var refusal: ImportRefusal?
        for separator in Self.separators {
            do throws(ImportRefusal) {
                let header = try CSVHeader(bytes, separator)
                if header.knownCount > best?.knownCount ?? -1 { best = header }
            } catch {
                refusal = refusal ?? error
            }
        }
        guard let best else { throw .malformedHeader(refusal ?? .truncated) }
        guard best.indices[.longURL] != nil else { throw .noLongURLColumn(found: best.names) }
        self = best
    }

    private init(_ bytes: [UInt8], _ separator: UInt8) throws(ImportRefusal) {
        var record = CSVRecord(separator: separator)
        for byte in bytes { _ = record.take(byte) }
        record.finish()
        if let refusal = record.refusal { throw refusal }
        var names: [String] = []
        for index in 0..<record.fieldCount { names.append(try text(record.field(index))) }
        let normal = names.map(Self.normal)
        var indices: [Part: [Int]] = [:]
        for part in Part.allCases {
            let found = ([Self.normal(part.rawValue)] + part.otherNames).compactMap { normal.firstIndex(of: $0) }
            if !found.isEmpty { indices[part] = found }
        }
        let used = Set(indices.values.joined())
        ignoredColumns = names.indices.filter { !used.contains($0) }.map { names[$0] }
        joinsTagsByComma = !Self.commaNames.isDisjoint(with: normal)
        self.names = names
        self.indices = indices
        self.separator = separator
    }

    private var knownCount: Int { names.count - ignoredColumns.count }

    private static func normal(_ name: String) -> String {
        String(name.lowercased().filter { !" _-".contains($0) })
    }

    func link(of record: CSVRecord) throws(ImportRefusal) -> ImportedLink {
        if let refusal = record.refusal { throw refusal }
        guard record.fieldCount == names.count else { throw .columns(record.fieldCount, header: names.count) }
        func value(_ part: Part) throws(ImportRefusal) -> String? {
            let fields = (indices[part] ?? []).map { record.field($0) }
            guard let field = fields.first(where: { !$0.isEmpty }) else { return nil }
            return try text(CSVCell.unprotected(field))
        }
        func flag(_ part: Part) throws(ImportRefusal) -> Bool? {
            switch try value(part)?.lowercased() {
            case nil: return nil
            case "true", "1": return true
            case "false", "0": return false
            default: throw .boolean(part.rawValue)
            }
        }
        var link = ImportedLink(longURL: try value(.longURL) ?? "")
        if let cell = try value(.code) { link.code = try CSVCell.code(cell) }
        link.title = try value(.title)
        link.tags = CSVCell.tags(try value(.tags) ?? "", joinedByComma: joinsTagsByComma)
        link.createdAt = try .imported(try value(.createdAt), Part.createdAt.rawValue)
        link.expiresAt = try .imported(try value(.expiresAt), Part.expiresAt.rawValue)
        link.owner = try value(.owner)
        link.forwardsQuery = try flag(.forwardsQuery) ?? false
        link.isActive = try flag(.isActive) ?? true
        return link
    }
}
