/// What a string of a generated shape names.
package enum DecodedCode: Equatable, Sendable {
    /// `number` is below 62^7 and has the node in it.
    case generated(region: RegionCharacter, node: UInt8, number: UInt64)
    /// `number` is the whole Snowflake.
    case snowflake(region: RegionCharacter, node: UInt8, number: UInt64)
}

/// The bijection between the numbers of a cluster and their codes: a region's character, then the permuted number.
///
///     number < 62^6          region + 6 characters, permuted over [0, 62^6)
///     62^6 ≤ number < 62^7   region + 7 characters, permuted over [0, 62^7)
///     Snowflake              region + 11 characters, permuted over [0, 2^64)
///
/// The permutation's tweak is the region's character, so that the same number looks different in each region.
package struct CodeSpace: Sendable {
    private let key0, key1: UInt64
    /// Bit i: the character of index i begins codes.
    private let regions: UInt64

    /// The key is derived from the code secret. `regions` are the characters of all regions whose codes are to be
    /// answered, retired ones too.
    package init(key0: UInt64, key1: UInt64, regions: [RegionCharacter]) {
        (self.key0, self.key1) = (key0, key1)
        self.regions = regions.reduce(0) { $0 | 1 << UInt64($1.index) }
    }

    package func contains(_ region: RegionCharacter) -> Bool { regions >> UInt64(region.index) & 1 == 1 }

    /// The one code of a number below 62^7.
    package func code(of number: UInt64, region: RegionCharacter) -> Code {
        precondition(contains(region) && number < Base62.sevenCharacters)
        return number < Base62.sixCharacters
            ? Code(region: region, body: six(region).apply(number), width: 6)
            : Code(region: region, body: seven(region).apply(number), width: 7)
    }

    /// The one code of a Snowflake; its region must be one of this space, its node below 16.
    package func code(of snowflake: Snowflake) -> Code {
        guard let region = RegionCharacter(index: snowflake.regionIndex), contains(region),
            UInt64(snowflake.node) < GeneratedNumber.nodes
        else { preconditionFailure("a Snowflake of no region or node of this cluster") }
        return Code(region: region, body: all(region).apply(snowflake.number), width: Base62.widest)
    }

    package func code(of decoded: DecodedCode) -> Code {
        switch decoded {
        case .generated(let region, _, let number): code(of: number, region: region)
        case .snowflake(_, _, let number): code(of: Snowflake(number: number))
        }
    }

    /// Nil for an alias, and for what no code of this space stands for: a number of another region, or one that no node
    /// makes.
    package func generatedCode(of key: LinkKey) -> Code? {
        switch key {
        case .alias: return nil
        case .generated(let region, let node, let number):
            guard let region = RegionCharacter(region), contains(region), number < Base62.sevenCharacters,
                GeneratedNumber.node(of: number) == node
            else { return nil }
            return code(of: number, region: region)
        case .snowflake(let number):
            let snowflake = Snowflake(number: number)
            guard let region = RegionCharacter(index: snowflake.regionIndex), contains(region),
                UInt64(snowflake.node) < GeneratedNumber.nodes
            else { return nil }
            return code(of: snowflake)
        }
    }

    /// What `code` names; nil if it has no generated shape or cannot exist by arithmetic: another region's character,
    /// seven characters for a number that six write, a body beyond 2^64, a Snowflake of another region or node.
    package func decode(_ code: RawSpan) -> DecodedCode? {
        let length = code.byteCount
        guard length == 7 || length == 8 || length == 12,
            let region = RegionCharacter(Base62.byte(code, at: 0)), contains(region),
            let body = Base62.decode(code.extracting(1...))
        else { return nil }
        switch length {
        case 7:
            return generated(region, six(region).invert(body))
        case 8:
            let number = seven(region).invert(body)
            return number < Base62.sixCharacters ? nil : generated(region, number)
        default:
            return snowflake(region, all(region).invert(body))
        }
    }

    /// Whether a user's alias could be read as a generated code: 7, 8 or 12 base62 characters, the first a region's.
    /// True for more strings than `decode` takes, so that what is refused can be told without the key.
    package func hasGeneratedShape(_ alias: RawSpan) -> Bool {
        let length = alias.byteCount
        guard length == 7 || length == 8 || length == 12,
            let region = RegionCharacter(Base62.byte(alias, at: 0)), contains(region)
        else { return false }
        for offset in 1..<length where Base62.digit(of: Base62.byte(alias, at: offset)) >= 62 { return false }
        return true
    }

    private func generated(_ region: RegionCharacter, _ number: UInt64) -> DecodedCode {
        .generated(region: region, node: GeneratedNumber.node(of: number), number: number)
    }

    private func snowflake(_ region: RegionCharacter, _ number: UInt64) -> DecodedCode? {
        let snowflake = Snowflake(number: number)
        guard snowflake.regionIndex == region.index, UInt64(snowflake.node) < GeneratedNumber.nodes else { return nil }
        return .snowflake(region: region, node: snowflake.node, number: number)
    }

    private func six(_ region: RegionCharacter) -> Permutation { permutation(region, Base62.sixCharacters - 1) }
    private func seven(_ region: RegionCharacter) -> Permutation { permutation(region, Base62.sevenCharacters - 1) }
    private func all(_ region: RegionCharacter) -> Permutation { permutation(region, .max) }

    private func permutation(_ region: RegionCharacter, _ last: UInt64) -> Permutation {
        Permutation(key0: key0, key1: key1, tweak: region.index, last: last)
    }
}
