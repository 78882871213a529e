"""The pages that ask questions: their forms, and the answers that they show."""
