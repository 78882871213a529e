"""The accuracy gate: does a fast server still give the right tokens?"""
