import HTTP

/// Pages for people: one document without scripts, styles or anything else that would be loaded.
enum HTMLPage {
    /// `content` is HTML, `title` text.
    static func response(
        status: Int = 200, _ title: String, _ content: String, fields: [(name: String, value: String)]
    ) -> Response {
        let html = """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width">
            <title>\(escaped(title))</title>
            </head>
            <body>
            <h1>\(escaped(title))</h1>
            \(content)
            </body>
            </html>

            """
        return Response(
            status: status,
            fields: [
                ("Content-Type", "text/html; charset=utf-8"),
                (
                    "Content-Security-Policy",
                    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
                ), ("Referrer-Policy", "no-referrer"),
            ] + fields, body: Array(html.utf8))
    }

    /// Of a problem, as its JSON says it.
    static func response(_ problem: Problem) -> Response {
        let kind = problem.kind
        return response(
            status: problem.status, kind.title,
            """
            <p>\(escaped(problem.detail))</p>
            <p>\(escaped(kind.remedy))</p>
            <p><a href="\(ProblemPage.prefix)/\(kind.code)"><code>\(kind.code)</code></a>, status \(problem.status)</p>
            """, fields: [("Cache-Control", "no-store")] + problem.fields)
    }

    /// Text as the content of an element, or as the value of an attribute in double quotes.
    static func escaped(_ text: String) -> String {
        text.unicodeScalars.reduce(into: "") { result, scalar in
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(scalar)
            }
        }
    }
}
