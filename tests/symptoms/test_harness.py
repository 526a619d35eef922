#!/usr/bin/env python3
"""The harness of the symptom tests on itself: what it is told to expect, it finds, and what is not there, it misses."""

import unittest

from symptom import Peer, SymptomCase, okta, says


class Harness(SymptomCase):
    def test_a_refused_token(self):
        peer = Peer(says(401, '{"errorCode":"E0000011","errorSummary":"Invalid token provided"}'))
        self.addCleanup(peer.close)
        name = self.put(okta(peer.url))
        self.expect(name, "auth_invalid", "401", "token")
        with self.assertRaises(AssertionError):
            self.expect(name, "auth_invalid", "no such sentence", "token", within=0.2)
        with self.assertRaises(AssertionError):
            self.expect(name, "auth_invalid", "401", "no such advice")


if __name__ == "__main__":
    unittest.main()
