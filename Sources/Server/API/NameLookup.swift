import CLinux
import Glibc
import Links
import Primitives
import Synchronization

/// Looks the host names of new destinations up on threads of its own. The system's resolver cannot be told when to
/// give up, so a watching thread answers in its place; a late answer is dropped.
package final class NameLookup: Sendable {
    package enum Outcome: Equatable, Sendable {
        case addresses([HostAddress])
        /// There is no such name, or it has no address.
        case absent
        /// The resolver failed, took too long, or has too much to do.
        case unknown
    }

    package typealias Completion = @Sendable (Outcome) -> Void

    /// Lookups under way at once.
    package static let threads = 8
    package static let waitingLookups = 64

    private let resolve: @Sendable (String) -> Outcome
    private let timeoutMilliseconds: Int64
    private let waiting = WaitingQueue<Lookup>(capacity: waitingLookups)
    /// In the order of their deadlines, which is that of their beginnings.
    private let watched = WaitingQueue<Lookup>(capacity: .max)

    package init(
        timeoutMilliseconds: Int64, resolve: @escaping @Sendable (String) -> Outcome = NameLookup.askSystem
    ) {
        (self.timeoutMilliseconds, self.resolve) = (timeoutMilliseconds, resolve)
        // Not joined at the end: one may hang in the resolver for longer than a drain takes.
        for index in 0..<Self.threads {
            SystemThread("lookup-\(index)") { [waiting, resolve] in
                while let lookups = waiting.take(atMost: 1, timeoutMilliseconds: 60_000) {
                    for lookup in lookups where !lookup.isAnswered { lookup.answer(resolve(lookup.name)) }
                }
            }.detach()
        }
        SystemThread("lookup-watch") { [watched] in
            while let lookups = watched.take(atMost: 1, timeoutMilliseconds: 60_000) {
                for lookup in lookups { lookup.giveUpAtDeadline() }
            }
        }.detach()
    }

    deinit {
        waiting.closeAndDiscard()
        watched.close()
    }

    /// Calls `completion` once, on another thread or, if too many wait, on this one.
    package func look(up name: String, completion: @escaping Completion) {
        let lookup = Lookup(name, deadline: System.monotonicMilliseconds() + timeoutMilliseconds, completion)
        guard waiting.push(lookup) else { return completion(.unknown) }
        _ = watched.push(lookup)
    }
}

/// One name on its way. Whoever answers first is heard.
private final class Lookup: Sendable {
    let name: String
    private let deadline: Int64
    private let completion: NameLookup.Completion
    private let hasAnswer = Atomic(false)

    init(_ name: String, deadline: Int64, _ completion: @escaping NameLookup.Completion) {
        (self.name, self.deadline, self.completion) = (name, deadline, completion)
    }

    var isAnswered: Bool { hasAnswer.load(ordering: .acquiring) }

    func answer(_ outcome: NameLookup.Outcome) {
        if !hasAnswer.exchange(true, ordering: .acquiringAndReleasing) { completion(outcome) }
    }

    func giveUpAtDeadline() {
        let left = deadline - System.monotonicMilliseconds()
        if !isAnswered, left > 0 { usleep(UInt32(left) * 1000) }
        answer(.unknown)
    }
}

extension NameLookup {
    /// The C library's resolver, as this machine is set up. The dot keeps search domains, which are internal, out of it.
    @Sendable package static func askSystem(_ name: String) -> Outcome { outcome(of: name + ".") }

    /// `host` may be an address too, which needs no DNS.
    package static func outcome(of host: String) -> Outcome {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        switch getaddrinfo(host, nil, &hints, &found) {
        case 0: break
        case EAI_NONAME, EAI_NODATA: return .absent
        default: return .unknown
        }
        defer { freeaddrinfo(found) }
        var addresses: [HostAddress] = []
        var next = found
        while let entry = next?.pointee {
            if let address = HostAddress(entry.ai_addr) { addresses.append(address) }
            next = entry.ai_next
        }
        return addresses.isEmpty ? .absent : .addresses(addresses)
    }

    private static let EAI_NODATA: Int32 = -5  // <netdb.h>, with _GNU_SOURCE only.
}

extension HostAddress {
    /// Nil for another family than IPv4 and IPv6.
    fileprivate init?(_ address: UnsafeMutablePointer<sockaddr>) {
        let bytes = UnsafeRawPointer(address)
        switch Int32(address.pointee.sa_family) {
        case AF_INET: self = .ipv4(UInt32(bigEndian: bytes.loadUnaligned(as: sockaddr_in.self).sin_addr.s_addr))
        case AF_INET6:
            var address = bytes.loadUnaligned(as: sockaddr_in6.self).sin6_addr
            self = .ipv6(withUnsafeBytes(of: &address) { UInt128(bigEndian: $0.loadUnaligned(as: UInt128.self)) })
        default: return nil
        }
    }
}
