import Glibc
import HTTP
import Synchronization

/// The plain port that leads to HTTPS, and answers what a certificate authority asks (RFC 8555 8.3). Everything else is 308:
/// the method and the body of the request stay what they are, as with 301 a POST would not.
///
/// The answers are the worker's own work: its thread serves nobody else.
final class Upgrade: RequestHandler {
    private static let challenges = "/.well-known/acme-challenge/"

    private let tls: ServerTLS
    private let live: LiveConfiguration
    /// `https://` is followed by a host and this: empty, or a colon and a port.
    private let port: String
    private let publicHost: String
    let redirects = Counter()
    let challengesFound = Counter()
    let challengesMissed = Counter()

    init(_ tls: ServerTLS, _ live: LiveConfiguration, publicURL: String, boundTo address: ListenAddress) {
        (self.tls, self.live) = (tls, live)
        let authority = Authority(publicURL.drop { $0 != ":" }.dropFirst(3))!
        publicHost = authority.isBracketed ? "[\(authority.host)]" : authority.host
        let number = publicURL.hasPrefix("https:") ? authority.port ?? 443 : address.port
        port = number == 443 ? "" : ":\(number)"
    }

    func take(_ call: HandedOver) -> Shedding? {
        call.answer(answer(call.message))
        return nil
    }

    private func answer(_ message: Message) -> Response {
        let path = message.path
        guard path.hasPrefix(Self.challenges) else {
            redirects.add()
            return Response(status: 308, fields: [("Location", location(message))])
        }
        guard [.get, .head].contains(message.head.method) else {
            return Problem.methodNotAllowed(allow: "GET, HEAD").response
        }
        guard let directory = live.value.acmeDirectory,
            let body = Challenge.read(path.dropFirst(Self.challenges.count), in: directory)
        else {
            challengesMissed.add()
            return Problem.notFound.response
        }
        challengesFound.add()
        return Response(
            status: 200, fields: [("Content-Type", "application/octet-stream"), ("Cache-Control", "no-store")],
            body: body)
    }

    /// The request's own host, if clients are shown a certificate for it there; else that of `public_url`: never one that
    /// somebody made up.
    private func location(_ message: Message) -> String {
        let bytes = message.headBytes.span.bytes
        let named = message.head.value(of: .host, in: bytes).flatMap { Authority($0[...])?.host }
        let host = named.flatMap { tls.identities.cover($0) ? $0 : nil } ?? publicHost
        // Of OPTIONS the path may be `*`, which is no resource's.
        let path = message.path.hasPrefix("/") ? message.path : "/"
        let query = message.head.query.isPresent ? String(utf8: bytes.extracting(message.head.query.range)) : nil
        return "https://\(host)\(port)\(path)" + (query.map { "?\($0)" } ?? "")
    }
}

/// What an ACME client puts into `acme_directory` for the authority to find.
enum Challenge {
    /// Nil if there is no such file: an ordinary one, small, and no link to another place.
    static func read(_ token: Substring, in directory: String) -> [UInt8]? {
        guard (1...TLSLimits.challengeTokenBytes).contains(token.utf8.count),
            token.utf8.allSatisfy({ $0.isLetterOrDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") })
        else { return nil }
        let file = open("\(directory)/\(token)", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        var bytes = [UInt8](repeating: 0, count: TLSLimits.challengeFileBytes + 1)
        let count = Glibc.read(file, &bytes, bytes.count)
        guard count >= 0, count <= TLSLimits.challengeFileBytes else { return nil }
        return Array(bytes[..<count])
    }
}
