import HTTP

/// The pages that the `type` of a problem leads to: what happened, and what to do. They are for people, so HTML; all
/// their text is the catalogue's own, and nothing of a request is in them.
enum ProblemPage {
    static let prefix = "/problems"

    /// The page of `path`: of one kind, or the list of all; nil if there is none.
    static func response(_ path: String) -> Response? {
        if path == prefix || path == prefix + "/" { return page("Problems", list) }
        guard path.hasPrefix(prefix + "/"), let kind = ProblemKind.named(path.dropFirst(prefix.count + 1)) else {
            return nil
        }
        return page(
            kind.title,
            """
            <p><code>\(kind.code)</code>, status \(kind.status)</p>
            <h2>What happened</h2>
            <p>\(HTMLPage.escaped(kind.happened))</p>
            <h2>What to do</h2>
            <p>\(HTMLPage.escaped(kind.remedy))</p>
            <p><a href="\(prefix)">All problems</a></p>
            """)
    }

    private static var list: String {
        let items = ProblemKind.all.map {
            "<li><a href=\"\(prefix)/\($0.code)\"><code>\($0.code)</code></a>: \(HTMLPage.escaped($0.title))</li>"
        }
        return "<ul>\n\(items.joined(separator: "\n"))\n</ul>"
    }

    private static func page(_ title: String, _ content: String) -> Response {
        HTMLPage.response(title, content, fields: [("Cache-Control", "public, max-age=3600")])
    }
}
