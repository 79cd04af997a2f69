import Glibc
import HTTP

/// Who is asking, and whether they may.
extension Worker {
    /// From now on requests of the connection are this address's, or of whom it speaks for.
    func note(_ peer: IPAddress, _ connection: Connection) {
        connection.peer = peer
        connection.subject = admission.subject(network: peer)
        connection.isTrustedProxy = admission.proxies.contains(peer)
    }

    /// Reads for whom a trusted proxy connected, if that is what it says first. False if nothing else can be read: more
    /// has to come, or the connection is gone.
    func takeProxyHeader(_ connection: Connection) -> Bool {
        switch connection.input.withUnsafeBytes(ProxyHeader.read) {
        case .absent: break
        case .incomplete:
            if connection.hasEnded { connection.phase = .closing }
            return false
        case .complete(let byteCount, let client):
            connection.input.removeFirst(byteCount)
            if let client { note(client, connection) }
        case .malformed:
            counters.refusals.add()
            connection.phase = .closing
            return false
        }
        connection.mayBeginWithProxyHeader = false
        return true
    }

    func subject(
        _ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) -> LimitSubject {
        guard connection.isTrustedProxy else { return connection.subject }
        return admission.subject(network: admission.client(behind: connection.peer, head, bytes))
    }

    /// Why a redirect is not given; nil if it may be.
    @inline(__always)
    func refusal(
        _ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ connection: Connection, atTick now: UInt64
    ) -> Problem? {
        guard let limiter = admission.redirect else { return nil }
        let subject = subject(head, bytes, connection)
        return limiter.takes(subject, atTick: now) ? nil : .rateLimited(limiter.look(subject, at: wakeUpMicroseconds))
    }

    /// Why it is not even said that a code is not there. Only such requests take tokens, and only they are refused:
    /// a network may have many users, and while one of them tries codes the links of the others go on working.
    func missRefusal(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ connection: Connection) -> Problem? {
        guard let limiter = admission.miss else { return nil }
        let answer = limiter.take(subject(head, bytes, connection), at: wakeUpMicroseconds)
        return answer.isAllowed ? nil : .rateLimited(answer)
    }
}
