import HTTP
import Links
import Primitives

/// Who may use those routes of the admin port that change the node or hand out what it keeps: who has a key with the
/// scope `admin`; and, where nobody but this machine's users can connect, all of these without one. One of them may have
/// a browser open, and a page from anywhere can make it send requests here. Two things tell those apart:
///
/// * `Host`. A page of `evil.example`, whose name its owner lets stand for 127.0.0.1 (DNS rebinding), counts as the
///   same site to the browser and may read answers; but the browser names that host. An address, or `localhost`,
///   cannot be made to stand for something else.
/// * `Content-Type: application/json` on a POST. A page of another site can make a browser post without asking first,
///   but only forms and plain text; for JSON, and for any method but GET, HEAD and POST, the browser asks with an
///   OPTIONS request, which this port never grants.
struct AdminAccess {
    /// The admin port listens on an address of this machine alone.
    let listensOnLoopback: Bool
    let authentication: Authentication
    let now: () -> Instant

    /// Nil if the request may be answered.
    func refusal(of message: Message) -> Problem? {
        do throws(RefusedRequest) {
            // No page knows a key, so who has one need show nothing else.
            if try authentication.caller(of: message, now: now()).allows(.admin) { return nil }
        } catch {
            return error.problem
        }
        guard listensOnLoopback else { return .adminElsewhere }
        guard let host = message.value(of: .host), Self.isAddress(host) else { return .adminHost }
        if message.head.method == .post, !message.hasJSONBody { return Problem(.unsupportedMediaType) }
        return nil
    }

    /// Who asks, where that was let through: whose key it shows, else somebody who uses this machine.
    func principal(of message: Message) -> [UInt8] {
        (try? authentication.caller(of: message, now: now()))?.principal ?? AuditBody.adminPort
    }

    /// Whether a Host is an IP address or `localhost`, with or without a port.
    static func isAddress(_ host: String) -> Bool {
        guard let authority = Authority(host[...]) else { return false }
        return canonicalAddress(authority.host) != nil || authority.host.lowercased() == "localhost"
    }
}

extension Problem {
    static let adminElsewhere = Problem(
        .forbidden,
        "Because the admin port does not listen on a loopback address, this needs a key with the scope admin.")
    static let adminHost = Problem(.forbidden, "Use the admin port's IP address, or localhost, as the host.")
}
