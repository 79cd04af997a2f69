import COpenSSL

/// The certificates that clients are shown, and what is offered to them: TLS 1.2 and 1.3 with forward secrecy and
/// authenticated encryption, HTTP/1.1, sessions by tickets alone; no renegotiation, no compression, no early data, and
/// nobody is asked for a certificate.
///
/// Safety: not changed after `init`; OpenSSL counts the references to a context.
final class TLSIdentities: @unchecked Sendable {
    private let contexts: [OpaquePointer]
    /// Which certificate has a name: `example.org`, `*.example.org`, in lower case.
    private let places: [String: Int]
    private let tickets: TicketKeys
    /// The files of certificates that nobody is shown: those before them have their names and their type of key.
    let unused: [String]

    /// What a connection begins with: the first certificate's.
    var initial: OpaquePointer { contexts[0] }

    /// - Precondition: there is a pair at least.
    /// - Throws: if a certificate or a key cannot be used; the files are named.
    init(_ pairs: [TLSPair], _ tickets: TicketKeys) throws(CertificateError) {
        precondition(!pairs.isEmpty)
        self.tickets = tickets
        var (contexts, places) = ([OpaquePointer](), [String: Int]())
        // Whoever asks for no name that is here is shown the first.
        var shown: Set = [0]
        do throws(CertificateError) {
            for (index, pair) in pairs.enumerated() {
                contexts.append(try Self.context(pair, tickets))
                for name in pair.names where places[name] == nil { places[name] = index }
            }
            shown.formUnion(places.values)
            shown.formUnion(try Self.addOtherTypes(pairs, contexts, places))
        } catch {
            for context in contexts { SSL_CTX_free(context) }
            throw error
        }
        (self.contexts, self.places) = (contexts, places)
        unused = pairs.indices.filter { !shown.contains($0) }.map { pairs[$0].certificatePath }
        // The first one's: nothing else is asked for what a client says first.
        if contexts.count > 1 {
            edge_SSL_CTX_set_names(contexts[0], Self.choose, Unmanaged.passUnretained(self).toOpaque())
        }
    }

    deinit { for context in contexts { SSL_CTX_free(context) } }

    /// The certificate with that name, which may stand in it with `*` in its first label's place (RFC 6125 6.4.3); nil if
    /// there is none.
    private func place(of name: String) -> Int? {
        let name = name.lowercased()
        if let place = places[name] { return place }
        guard let dot = name.firstIndex(of: ".") else { return nil }
        return places["*" + name[dot...]]
    }

    /// Whether a client that wants this host is shown a certificate for it.
    func cover(_ host: String) -> Bool { place(of: host) != nil }

    // MARK: As OpenSSL has it

    private static let choose:
        @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutableRawPointer?) -> Int32 = {
            connection, _, identities in
            let identities = Unmanaged<TLSIdentities>.fromOpaque(identities!).takeUnretainedValue()
            guard let name = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name),
                let place = identities.place(of: String(cString: name))
            else { return SSL_TLSEXT_ERR_NOACK }
            SSL_set_SSL_CTX(connection, identities.contexts[place])
            return SSL_TLSEXT_ERR_OK
        }

    private static let protocolName: [UInt8] = Array("http/1.1".utf8)

    /// Who offers protocols, and this one not among them, is refused (RFC 7301 3.2).
    private static let chooseProtocol:
        @convention(c) (
            OpaquePointer?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt8>?,
            UnsafePointer<UInt8>?, UInt32, UnsafeMutableRawPointer?
        ) -> Int32 = { _, chosen, chosenCount, offered, count, _ in
            let offered = UnsafeBufferPointer(start: offered, count: Int(count))
            var place = 0
            // OpenSSL has seen to it that the lengths add up.
            while place < offered.count {
                let name = offered[(place + 1)..<(place + 1 + Int(offered[place]))]
                if name.elementsEqual(protocolName) {
                    chosen!.pointee = offered.baseAddress! + place + 1
                    chosenCount!.pointee = offered[place]
                    return SSL_TLSEXT_ERR_OK
                }
                place += 1 + Int(offered[place])
            }
            return SSL_TLSEXT_ERR_ALERT_FATAL
        }

    /// Of TLS 1.2, in the order of preference.
    private static let ciphers =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        + "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    private static let ciphers13 = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    private static let groups = "X25519:P-256:P-384"

    /// Puts pairs beside an earlier one whose names they all have, and which has another type of key, such as RSA
    /// beside EC: OpenSSL holds one certificate of each type, and shows the one that the client can check.
    /// Returns which ones these are.
    private static func addOtherTypes(
        _ pairs: [TLSPair], _ contexts: [OpaquePointer], _ places: [String: Int]
    ) throws(CertificateError) -> Set<Int> {
        var added: Set<Int> = []
        for (first, names) in Dictionary(grouping: places.keys, by: { places[$0]! }) {
            var types: Set = [pairs[first].keyType]
            for index in (first + 1)..<pairs.count where Set(names).isSubset(of: pairs[index].names) {
                guard types.insert(pairs[index].keyType).inserted else { continue }
                try add(pairs[index], to: contexts[first])
                added.insert(index)
            }
        }
        return added
    }

    private static func add(_ pair: TLSPair, to context: OpaquePointer) throws(CertificateError) {
        ERR_clear_error()
        do throws(TLSFailure) { try TLSContext.use(pair.certificate, pair.key, in: context) } catch {
            throw CertificateError("\(pair.certificatePath) with \(pair.keyPath): \(error.reason)")
        }
    }

    private static func context(_ pair: TLSPair, _ tickets: TicketKeys) throws(CertificateError) -> OpaquePointer {
        guard let context = SSL_CTX_new(TLS_server_method()) else { throw CertificateError("TLS cannot be set up") }
        do throws(CertificateError) {
            try add(pair, to: context)
            guard edge_SSL_CTX_set_users(context, groups) == 1, SSL_CTX_set_cipher_list(context, ciphers) == 1,
                SSL_CTX_set_ciphersuites(context, ciphers13) == 1
            else { throw CertificateError(TLSContext.failure("TLS cannot be set up").reason) }
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        SSL_CTX_set_alpn_select_cb(context, chooseProtocol, nil)
        SSL_CTX_set_timeout(context, TLSLimits.sessionSeconds)
        tickets.serve(context)
        return context
    }
}
